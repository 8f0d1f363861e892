"""The rows of a report: each case with the answers to its checks and with what was measured of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fluxgate.baselines.case_limits import published
from fluxgate.cases import Case
from fluxgate.compare.facts import ALLOCATED, HOST, WHOLE
from fluxgate.compare.measures import SSIM
from fluxgate.judge.verdict import CRASHED, FAILED, INCUMBENT, LIBRARY_CHECKS, PROMISE, Verdict
from fluxgate.rendering import PHASES, Rendering, id_of_case

HELD_AGAINST = (PROMISE, INCUMBENT)  # the checks that hold pictures against others of the same session


@dataclass(frozen=True)
class Row:
    """One case. A check that does not apply to it has no status; a figure that was not measured is None."""

    subject: str
    strategy: str
    statuses: dict[str, str]  # check -> status
    figure: str  # which memory the peaks are of: "allocated" on a GPU, "host" elsewhere
    peaks: dict[str, int | None]  # phase, and "whole" -> bytes
    seconds: float | None  # load and the first take of every shot
    likeness: float | None  # SSIM of the picture that is least like its reference, or in a gate like the incumbent's
    promise: str | None = None  # "reproduces full"
    driver: int | None = None  # the peak as the driver saw it, in bytes
    published: float | None = None  # what somebody else reported of the same, in bytes
    card: int | None = None  # GB of the smallest standard card that it was seen to run on

    @property
    def case_id(self) -> str:
        return id_of_case(self.subject, self.strategy)

    @property
    def is_wrong(self) -> bool:
        """Whether it failed, or crashed."""
        return any(status in (FAILED, CRASHED) for status in self.statuses.values())


def rows_of(
    verdicts: Iterable[Verdict],
    renderings: Mapping[str, Rendering],
    *,
    cases: Mapping[str, Case],
    cards: Mapping[str, int],
) -> tuple[Row, ...]:
    """A row for each case that has a verdict, in the order in which they come."""
    by_case: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.check in LIBRARY_CHECKS:  # it is about a library, not about a case
            continue
        by_case.setdefault(verdict.case_id, []).append(verdict)
    return tuple(
        _row(answers, renderings.get(case_id), cases.get(case_id), card=cards.get(case_id))
        for case_id, answers in by_case.items()
    )


def _row(verdicts: list[Verdict], rendering: Rendering | None, case: Case | None, *, card: int | None) -> Row:
    figure, peaks = _peaks(rendering)
    reported = published(case.subject, case.strategy.name) if case else None
    return Row(
        subject=verdicts[0].subject,
        strategy=verdicts[0].strategy,
        statuses={verdict.check: verdict.status for verdict in verdicts},
        figure=figure,
        peaks=peaks,
        seconds=_seconds(rendering),
        likeness=next((verdict.numbers.get(SSIM) for verdict in verdicts if verdict.check in HELD_AGAINST), None),
        promise=_promise(case) if case else None,
        driver=rendering.memory.peak("driver") if rendering and rendering.memory else None,
        published=reported.value if reported else None,
        card=card,
    )


def _promise(case: Case) -> str:
    promise = case.strategy.promise
    if promise.reference is None:
        return "the reference"
    return f"reproduces {promise.reproduces}" if promise.reproduces else f"approximates {promise.approximates}"


def _peaks(rendering: Rendering | None) -> tuple[str, dict[str, int | None]]:
    """Allocated bytes where a GPU was measured, else those of the worker process."""
    memory = rendering.memory if rendering else None
    if memory is None:
        return ALLOCATED, dict.fromkeys((*PHASES, WHOLE))
    figure = ALLOCATED if memory.peak(ALLOCATED) is not None else HOST
    return figure, {**{phase: memory.peak(figure, (phase,)) for phase in PHASES}, WHOLE: memory.peak(figure)}


def _seconds(rendering: Rendering | None) -> float | None:
    if rendering is None:
        return None
    spent = [duration.seconds for duration in rendering.durations if duration.take in (None, 0)]
    return sum(spent) if spent else None

"""Summary: one row for each case, with its verdicts and its figures, and the counts under them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from fluxgate.baselines.limits import SSIM, WHOLE, published
from fluxgate.cases import Case
from fluxgate.judge.verdict import (
    CHECKS,
    CRASHED,
    FAILED,
    KNOWN_FAILURE,
    NOT_SELECTED,
    PASSED,
    PROMISE,
    STATUSES,
    Verdict,
)
from fluxgate.rendering import PHASES, Rendering

RED = (FAILED, CRASHED)
NO_CASES: Mapping[str, Case] = MappingProxyType({})
NO_CARDS: Mapping[str, int] = MappingProxyType({})  # case -> card in GB


@dataclass(frozen=True)
class Row:
    """One case: a status for each check, peaks in bytes, seconds and likeness where they are known."""

    subject: str
    strategy: str
    statuses: dict[str, str]
    figure: str  # which memory the peaks are of: "allocated" on a GPU, "host" elsewhere
    peaks: dict[str, int | None]  # phase, and "whole"
    seconds: float | None  # load and the first take of every shot
    likeness: float | None  # the least alike picture's SSIM to its reference
    promise: str | None = None  # "reproduces full", where the case is known
    driver: int | None = None  # the peak as the driver saw it, in bytes
    published: float | None = None  # what somebody else reported of the same, in bytes
    card: int | None = None  # GB of the smallest standard card that it was seen to run on


def rows(
    verdicts: Iterable[Verdict],
    renderings: Mapping[str, Rendering],
    *,
    cases: Mapping[str, Case] = NO_CASES,
    cards: Mapping[str, int] = NO_CARDS,
) -> list[Row]:
    """A row for each case that has a verdict, in the order in which they come.

    `cases` know what was promised, and `cards` on which each was seen to run."""
    of_case: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        of_case.setdefault(verdict.case_id, []).append(verdict)
    found = {case_id: _row(told, renderings.get(case_id), cases.get(case_id)) for case_id, told in of_case.items()}
    return [replace(row, card=cards.get(case_id)) for case_id, row in found.items()]


def counts(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Status -> how many, for those that occur, in the order of the statuses."""
    found = Counter(verdict.status for verdict in verdicts)
    return {status: found[status] for status in STATUSES if found[status]}


def red(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """What must be looked at: failed and crashed, a crash told once for a case."""
    told: set[str] = set()
    found = []
    for verdict in verdicts:
        again = verdict.status == CRASHED and verdict.case_id in told
        if verdict.status in RED and not again:
            found.append(verdict)
        if verdict.status == CRASHED:
            told.add(verdict.case_id)
    return found


def reasons(verdicts: Iterable[Verdict], status: str) -> dict[str, list[Verdict]]:
    """The first sentence of a verdict, without the figures that follow -> the verdicts of one status that share it."""
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.status == status:
            first, stop, _ = " ".join(verdict.sentence.split()).partition(". ")
            found.setdefault(first + stop.strip(), []).append(verdict)
    return found


def measured_anything(verdicts: Iterable[Verdict]) -> bool:
    """Whether a single check was answered by looking at something."""
    return any(verdict.status in (PASSED, FAILED, KNOWN_FAILURE) for verdict in verdicts)


def _row(verdicts: list[Verdict], rendering: Rendering | None, case: Case | None) -> Row:
    statuses = {verdict.check: verdict.status for verdict in verdicts}
    likeness = next((v.numbers.get(SSIM) for v in verdicts if v.check == PROMISE), None)
    figure, peaks = _peaks(rendering)
    reported = published(case.subject, case.strategy.name) if case else None
    return Row(
        subject=verdicts[0].subject,
        strategy=verdicts[0].strategy,
        statuses={check: statuses.get(check, NOT_SELECTED) for check in CHECKS},
        figure=figure,
        peaks=peaks,
        seconds=_seconds(rendering),
        likeness=likeness,
        promise=_promise(case) if case else None,
        driver=rendering.memory.peak("driver") if rendering and rendering.memory else None,
        published=reported.value if reported else None,
    )


def _promise(case: Case) -> str:
    made = case.strategy.promise
    if made.reference is None:
        return "the reference"
    return f"reproduces {made.reproduces}" if made.reproduces else f"approximates {made.approximates}"


def _peaks(rendering: Rendering | None) -> tuple[str, dict[str, int | None]]:
    """Allocated bytes where a GPU was measured, else the worker's own."""
    memory = rendering.memory if rendering else None
    if memory is None:
        return "allocated", dict.fromkeys((*PHASES, WHOLE))
    figure = "allocated" if memory.peak("allocated") is not None else "host"
    return figure, {**{phase: memory.peak(figure, (phase,)) for phase in PHASES}, WHOLE: memory.peak(figure)}


def _seconds(rendering: Rendering | None) -> float | None:
    if rendering is None:
        return None
    spent = [d.seconds for d in rendering.durations if d.take in (None, 0)]
    return sum(spent) if spent else None

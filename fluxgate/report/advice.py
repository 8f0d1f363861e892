"""Advice: the strategies ranked for a card, by what a run has measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fluxgate.baselines.limits import FULL
from fluxgate.cases import Case
from fluxgate.compare.facts import Source, facts_of
from fluxgate.compare.likeness import mismatch, similarity
from fluxgate.judge.verdict import FAILED, KNOWN_FAILURE, Verdict
from fluxgate.rendering import Rendering
from fluxgate.report.cards import Trial, covers, ran_on, ran_out_on
from fluxgate.runs.rendered import Rendered

CONTEXT = 600_000_000  # bytes: what the CUDA context and the code of kernels may take, which torch does not count
MUCH_RAM = 32_000_000_000  # bytes; many hosts have no more
NEARLY = 1.25  # times as long as the quickest: as quick, for a choice among them
YES, LIKELY, NO = ("yes", "likely", "no")  # it ran; it should by its peak; it should not by its peak, or ran out


@dataclass(frozen=True)
class Ranked:
    """One strategy: whether it fits, and what it costs."""

    strategy: str
    fits: str  # YES, LIKELY or NO
    peak: int  # bytes that torch reserved at most
    seconds: float | None  # of the shots that all have rendered, without loading
    likeness: float | None  # SSIM of the picture that is least like full's
    run_id: str  # where it was measured
    without: tuple[str, ...]  # the shots that it left out and others rendered
    host: int | None = None  # bytes that the worker had in the host's memory at most


@dataclass(frozen=True)
class Advice:
    """All that a run says of the strategies for one subject, for a card of some size."""

    subject: str
    vram: int  # bytes
    run_id: str
    ranked: tuple[Ranked, ...]
    left_out: dict[str, str]  # strategy -> why it is not ranked
    shots: tuple[str, ...]  # that the seconds are of
    ram: int | None = None  # bytes of the host; None where nobody said
    origin: tuple[str, ...] = ()  # where the figures are from, if not from a run of one's own

    @property
    def best(self) -> Ranked | None:
        """The first that fits."""
        return next((one for one in self.ranked if one.fits != NO), None)

    @property
    def asks_for_ram(self) -> bool:
        """Whether the best needs more of the host than many have, and nobody said how much there is."""
        return self.ram is None and self.best is not None and (self.best.host or 0) > MUCH_RAM

    @property
    def quicker(self) -> Ranked | None:
        """The most alike of the quickest that fit, where it takes less than half as long as the best."""
        timed = {one: one.seconds for one in self.ranked if one.fits != NO and one.seconds is not None}
        best = timed.get(self.best) if self.best else None
        if best is None or min(timed.values()) >= best / 2:
            return None
        return next(one for one, seconds in timed.items() if seconds <= NEARLY * min(timed.values()))


@dataclass(frozen=True)
class Measured:
    """What a case gave, and in which run."""

    rendered: Rendered
    run_id: str

    @property
    def rendering(self) -> Rendering:
        return self.rendered.rendering

    @property
    def peak(self) -> int | None:
        return self.rendering.memory.peak("reserved") if self.rendering.memory else None

    @property
    def host(self) -> int | None:
        return self.rendering.memory.host_peak if self.rendering.memory else None


def advise(
    cases: Sequence[Case], tried: Sequence[Trial], verdicts: Iterable[Verdict], *, vram: int, ram: int | None = None
) -> Advice:
    """The cases of one subject, ranked for so many bytes; the first of the trials is the run that is asked."""
    measured = {case.strategy.name: measured_of(case.id, tried) for case in cases}
    wrong = [verdict for verdict in verdicts if verdict.status in (FAILED, KNOWN_FAILURE)]
    reasons = {case.strategy.name: _why_not_ranked(case, measured[case.strategy.name], wrong) for case in cases}
    sound = {name: one for name, one in measured.items() if one is not None and reasons[name] is None}
    shots = dict.fromkeys(shot for one in sound.values() for shot in one.rendering.recipes)
    common = tuple(shot for shot in shots if all(shot in one.rendering.recipes for one in sound.values()))
    ranked = rank(
        Ranked(
            strategy=name,
            fits=NO if _too_large_for_host(one, ram) else fits(one.rendering, one.peak or 0, tried, vram=vram),
            peak=one.peak or 0,
            seconds=seconds(one.rendering, common),
            likeness=likeness(one, measured.get(FULL)),
            run_id=one.run_id,
            without=tuple(shot for shot in shots if shot not in one.rendering.recipes),
            host=one.host,
        )
        for name, one in sound.items()
    )
    left_out = {name: reason for name, reason in reasons.items() if reason is not None}
    return Advice(cases[0].subject.name, vram, tried[0].run_id, ranked, left_out, common, ram=ram)


def rank(rows: Iterable[Ranked]) -> tuple[Ranked, ...]:
    """The best first."""
    return tuple(sorted(rows, key=_order))


def _order(one: Ranked) -> tuple[bool, float, float]:
    """What fits comes first, then what is more like full, then what is faster."""
    alike = -2.0 if one.likeness is None else one.likeness
    return one.fits == NO, -alike, math.inf if one.seconds is None else one.seconds


def measured_of(case_id: str, tried: Sequence[Trial]) -> Measured | None:
    """What the run has of a case; where the run's limit was too little for it, what a run beside it has."""
    here, *beside = tried
    own = here.rendered(case_id)
    if own is None:
        return None
    if own.rendering.crash is not None and own.rendering.crash.limit is not None:
        for trial in beside:
            other = trial.rendered(case_id)
            if other is not None and covers(other.rendering, own.rendering):
                return Measured(other, trial.run_id)
    return Measured(own, here.run_id)


def _why_not_ranked(case: Case, measured: Measured | None, wrong: Iterable[Verdict]) -> str | None:
    """Why a case is not ranked; None for one that is."""
    if measured is None:
        return f"cannot run here: {case.unsupported}" if case.unsupported else "not rendered in this run"
    crash = measured.rendering.crash
    if crash is not None:
        return f"crashed{f' during {crash.phase}' if crash.phase else ''}: {crash.sentence}"
    verdict = next((verdict for verdict in wrong if verdict.case_id == case.id), None)
    if verdict is not None:
        return f"{verdict.status}, {verdict.check}: {verdict.sentence}"
    if case.strategy.gpus > 1:
        return f"it needs {case.strategy.gpus} cards"
    return "its GPU memory was not measured" if measured.peak is None else None


def fits(rendering: Rendering, peak: int, tried: Sequence[Trial], *, vram: int) -> str:
    """Whether it ran with so many bytes, or should by its peak; what ran out of them does not fit."""
    enough, too_little = ran_on(rendering, tried), ran_out_on(rendering, tried)
    if enough is not None and enough <= vram / 1e9:
        return YES
    if too_little is not None and too_little >= vram / 1e9:
        return NO
    return LIKELY if leaves_room(peak, vram) else NO


def leaves_room(peak: int, vram: int) -> bool:
    """Whether the CUDA context fits beside a peak."""
    return peak + CONTEXT <= vram


def _too_large_for_host(measured: Measured, ram: int | None) -> bool:
    return ram is not None and measured.host is not None and measured.host > ram


def seconds(rendering: Rendering, shots: Iterable[str]) -> float | None:
    """What the shots took without loading: the second take if each has one, since the first also warms up; None where
    other cases shared the device."""
    if rendering.at_once > 1:
        return None
    shots = set(shots)
    durations = [duration for duration in rendering.durations if duration.shot in shots]
    take = 1 if {duration.shot for duration in durations if duration.take == 1} == shots else 0
    spent = [duration.seconds for duration in durations if duration.take == take]
    return sum(spent) if spent else None


def likeness(ours: Measured, full: Measured | None) -> float | None:
    """SSIM of the picture that is least like full's, 1 to the pixel; None where one cannot be compared."""
    if full is None or not covers(full.rendering, ours.rendering):
        return None
    expected, actual = facts_of(full.rendered).pictures, facts_of(ours.rendered).pictures
    values = [_ssim(one, expected[key][0]) if key in expected else None for key, (one, *_) in actual.items()]
    return min((value for value in values if value is not None), default=None) if None not in values else None


def _ssim(picture: Source, expected: Source) -> float | None:
    """SSIM alone: all measures of a picture take four times as long, and nobody is asked to wait for them."""
    if picture == expected:
        return 1.0
    pixels, due = picture.read(), expected.read()
    return None if mismatch(due, pixels) else similarity(due, pixels)

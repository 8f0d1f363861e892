"""How memory and seconds of a case moved between two stacks: better, same, worse, or undecided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import sqrt
from statistics import fmean

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.baselines.memory_limits import ALLOCATOR, FEWEST_FOR_HOST, HOST_GRAIN, HOST_SPREAD
from fluxgate.compare.facts import ALLOCATED, HOST, WHOLE
from fluxgate.compare.rank_sums import least_p_value, p_value
from fluxgate.rendering import LOAD, PHASES, Rendering
from fluxgate.report.gate_result import FigureResult, Trend

Key = tuple[str, str]  # figure and phase
Samples = Mapping[Key, tuple[float, ...]]
Spreads = Mapping[Key, float]  # by how much of its mean a figure varies though nothing has changed

GRAIN = 0.001  # share of a figure within which it counts as the same, however little it varied
SPREADS = 3.0  # times what the difference of two noisy figures varies
HEAVIER, HEAVY = 0.1, 64 << 20  # share and bytes beyond which more memory is a reason against an upgrade
LOADED = "loaded"  # stands for a phase: once the pipeline is loaded
WHEN_LOADED = ((ALLOCATED, LOAD), (HOST, LOADED))
SIGNIFICANT = 0.05
SLOWER = 0.02  # share of the seconds within which nobody minds

_ORDER = (Trend.WORSE, Trend.BETTER, Trend.SAME, Trend.UNDECIDED)


def memory_trend(
    before: Sequence[Rendering], after: Sequence[Rendering], *, spreads: Spreads | None = None
) -> FigureResult | None:
    """The figure of memory that moved most, one that is too heavy first; None where none was measured."""
    one, other = samples_of(before), samples_of(after)
    moves = [_memory(key, one[key], other[key], (spreads or {}).get(key, 0.0)) for key in one if key in other]
    by_libraries = more_by_libraries(before, after)
    worst = min(
        moves,
        key=lambda each: (not too_heavy(each, by_libraries), _ORDER.index(each.trend), -abs(_share(each))),
        default=None,
    )
    if worst is None or worst.figure != HOST or worst.trend is not Trend.WORSE or by_libraries <= ALLOCATOR:
        return worst
    return replace(
        worst, reason=f"{worst.reason}; the libraries take {amount(by_libraries)} more before anything loads"
    )


def too_heavy(memory: FigureResult | None, by_libraries: float = 0.0) -> bool:
    """Whether a case takes so much more memory that it is a reason against the upgrade.

    A noisy figure is none; nor are bytes that the libraries take more before anything loads, however much is loaded
    then: those of a torch that was built for CUDA are such."""
    if memory is None or memory.trend is not Trend.WORSE or (memory.figure, memory.phase) == (HOST, WHOLE):
        return False
    more = (memory.after or 0) - (memory.before or 0)
    own = more - max(0.0, by_libraries) if memory.figure == HOST else more
    return bool(memory.before) and own > HEAVY and own > HEAVIER * (memory.before or 0)


def more_by_libraries(before: Sequence[Rendering], after: Sequence[Rendering]) -> float:
    """How many more bytes are resident before anything is loaded; 0 where that was not measured."""
    resident = [
        [one.memory.host_before for one in side if one.memory is not None and one.memory.host_before is not None]
        for side in (before, after)
    ]
    return fmean(resident[1]) - fmean(resident[0]) if all(resident) else 0.0


def spreads_of(renderings: Sequence[Rendering]) -> dict[Key, float]:
    """By how much of its mean each figure varies among renderings of the same."""
    samples = samples_of(renderings)
    return {key: (max(values) - min(values)) / fmean(values) for key, values in samples.items() if fmean(values)}


def spreads_of_loading(renderings: Sequence[Rendering]) -> dict[Key, float]:
    """The same of those figures that loading decides, whatever is rendered then."""
    return {key: spread for key, spread in spreads_of(renderings).items() if key in WHEN_LOADED}


def samples_of(renderings: Sequence[Rendering]) -> dict[Key, tuple[float, ...]]:
    """Each figure of memory, as often as it was measured."""
    samples: dict[Key, tuple[float, ...]] = {}
    for rendering in renderings:
        for key, value in _figures(rendering):
            samples[key] = (*samples.get(key, ()), value)
    return samples


def _figures(rendering: Rendering) -> Iterator[tuple[Key, float]]:
    """What the GPU had allocated in each phase; what was resident once all was loaded, and at the most."""
    memory = rendering.memory
    if memory is None:
        return
    for entry in memory.phases:
        if entry.allocated is not None:
            yield (ALLOCATED, entry.phase), entry.allocated
    if memory.host_loaded is not None:
        yield (HOST, LOADED), memory.host_loaded
    if memory.host_peak is not None:
        yield (HOST, WHOLE), memory.host_peak


def _memory(key: Key, before: Sequence[float], after: Sequence[float], spread: float) -> FigureResult:
    one, other = fmean(before), fmean(after)
    measured = max(max(before) - min(before), max(after) - min(after), spread * one)
    limit = max(measured, ALLOCATOR, GRAIN * one)
    noisy = key == (HOST, WHOLE) and min(len(before), len(after)) < FEWEST_FOR_HOST
    if noisy:
        limit = max(limit, HOST_GRAIN, SPREADS * sqrt(2) * HOST_SPREAD * one)
    trend = Trend.WORSE if other > one + limit else Trend.BETTER if other < one - limit else Trend.SAME
    if noisy and trend is Trend.SAME:
        trend = Trend.UNDECIDED
    return FigureResult(trend, *key, one, other, f"{_change(one, other)}; it varies by up to {amount(limit)}")


def _change(one: float, other: float) -> str:
    """`0.45 GB → 0.46 GB`, or `3.5 MB more than 0.68 GB` where both look the same."""
    then, now = amount(one), amount(other)
    if then != now or one == other:
        return f"{then} → {now}"
    return f"{amount(abs(other - one))} {'more' if other > one else 'less'} than {then}"


def _share(figure: FigureResult) -> float:
    return (figure.after or 0) / figure.before - 1 if figure.before else 0.0


def seconds_trend(before: Sequence[Rendering], after: Sequence[Rendering]) -> FigureResult | None:
    """Seconds of the whole case: on a CPU those that it worked. One rendering is one measurement."""
    one, other = _seconds(before), _seconds(after)
    if not one or not other:
        return None
    then, now = fmean(one), fmean(other)
    told = f"{figures.seconds(then)} → {figures.seconds(now)}"
    if least_p_value(len(one), len(other)) > SIGNIFICANT:
        reason = f"{told}; {len(one)} and {len(other)} measurements cannot decide, add --repeats 4"
        return FigureResult(Trend.UNDECIDED, "seconds", WHOLE, then, now, reason)
    chance = p_value(one, other)
    apart = chance <= SIGNIFICANT and abs(now / then - 1) > SLOWER
    trend = (Trend.WORSE if now > then else Trend.BETTER) if apart else Trend.SAME
    return FigureResult(trend, "seconds", WHOLE, then, now, f"{told}; p = {chance:.3f}")


def _seconds(renderings: Sequence[Rendering]) -> list[float]:
    """The seconds of each rendering that came to its end; loading is left out, which the disk's cache decides."""
    phases = [phase for phase in PHASES if phase != LOAD]
    return [
        sum(filter(None, (_spent(rendering, phase) for phase in phases)))
        for rendering in renderings
        if rendering.crash is None
    ]


def _spent(rendering: Rendering, phase: str) -> float | None:
    return rendering.seconds(phase) if rendering.device == "cuda" else rendering.processor_seconds(phase)

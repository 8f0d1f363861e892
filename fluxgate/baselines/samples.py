"""Samples: how one more measurement of memory and seconds joins those of the runs accepted before."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from fluxgate.amounts import amount
from fluxgate.baselines.baseline import AcceptedCase
from fluxgate.baselines.memory_limits import FEWEST_FOR_HOST, NOISY, accepted_value, margin
from fluxgate.compare.facts import ALLOCATED, peaks_of, seconds_of
from fluxgate.rendering import Rendering

OTHER_PACE = 0.25  # share by which steps are faster or slower and not only noise
MOST = 50  # of one figure: enough for a spread, and a facts file stays readable

Number = TypeVar("Number", bound=float)


@dataclass(frozen=True)
class Samples:
    """What was measured, once per accepted run."""

    peaks: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)  # phase -> figure -> bytes
    held_after: tuple[int, ...] = ()  # bytes
    seconds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # by phase


@dataclass(frozen=True)
class Joined:
    """The samples that are to be accepted, and in words what they change."""

    samples: Samples
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what a person should know although nothing of it is written


def measured(rendering: Rendering) -> Samples:
    """What one run measured."""
    held = rendering.memory.held_by_pipeline if rendering.memory else None
    return Samples(peaks_of(rendering.memory), () if held is None else (held,), seconds_of(rendering))


def accepted(case: AcceptedCase) -> Samples:
    """What earlier runs measured."""
    return Samples(case.peaks, case.held_after, case.seconds)


def join(before: Samples, run: Samples, *, again: bool, tighten: bool) -> Joined:
    """The samples with a run's among them; a run that is accepted `again` has given its own already.

    A peak that is another one starts anew. The host's, which has no floor, falls only to `tighten` its ceiling."""
    steps = {
        (phase, figure): _peak(
            f"{figure} peak of {phase}",
            before.peaks.get(phase, {}).get(figure, ()),
            value,
            figure=figure,
            again=again,
            tighten=tighten or figure not in NOISY,
        )
        for phase, figures in run.peaks.items()
        for figure, (value,) in figures.items()
    }
    held = _held(before.held_after, run.held_after, again=again)
    after = _after(before, run, {key: step.samples for key, step in steps.items()}, held.samples, again=again)
    told = (*steps.values(), held)
    changes = [step.change for step in told if step.change]
    if before not in (Samples(), after) and not again:
        what = "peaks and seconds" if run.seconds else "peaks"
        changes.append(f"{what} gain a sample, {_most(after)} in all")
    return Joined(after, tuple(changes), tuple(step.note for step in told if step.note))


def _after(
    before: Samples,
    run: Samples,
    peaks: Mapping[tuple[str, str], tuple[int, ...]],
    held: tuple[int, ...],
    *,
    again: bool,
) -> Samples:
    joined = {phase: dict(figures) for phase, figures in before.peaks.items()}
    for (phase, figure), samples in peaks.items():
        joined.setdefault(phase, {})[figure] = samples
    if again:
        return Samples(joined, held, before.seconds)
    seconds = {phase: _longer(before.seconds.get(phase, ()), new) for phase, new in run.seconds.items()}
    return Samples(joined, held, {**before.seconds, **seconds})


def _held(earlier: tuple[int, ...], new: tuple[int, ...], *, again: bool) -> _Step:
    """What stayed once the pipeline was freed: more than did is a leak, and a person must know what they accept."""
    if not new:
        return _Step(earlier)
    name = "what stays once the pipeline is freed"
    return _peak(name, earlier, new[0], figure=ALLOCATED, again=again, tighten=True)


def join_paces(
    earlier: Mapping[str, tuple[float, ...]], run: Mapping[str, tuple[float, ...]]
) -> dict[str, tuple[float, ...]]:
    """The paces of steps, or seconds of phases, with a run's among them; one that is another, as a person has seen,
    starts anew."""
    joined = dict(earlier)
    for shot, new in run.items():
        old = earlier.get(shot, ())
        moved = bool(old) and _is_another(statistics.median(old), statistics.median(new))
        joined[shot] = new if moved else _longer(old, new)
    return joined


def _is_another(before: float, after: float) -> bool:
    """A phase that took less than a clock tells of may have no seconds at all."""
    return abs(after - before) > OTHER_PACE * before


@dataclass(frozen=True)
class _Step:
    samples: tuple[int, ...]
    change: str = ""
    note: str = ""


def _peak(
    name: str,
    earlier: tuple[int, ...],
    value: int,
    *,
    figure: str,
    again: bool,
    tighten: bool,
) -> _Step:
    """One peak beside its earlier samples."""
    if not earlier:
        return _Step((value,))
    distance = value - accepted_value(earlier, figure=figure)
    if abs(distance) <= margin(earlier, figure=figure):
        return _Step(earlier if again else _longer(earlier, (value,)))
    if distance > 0:
        return _Step((value,), f"{name} rises by {amount(distance)} to {amount(value)}")
    falls = f"by {amount(-distance)} to {amount(value)}"
    if tighten:
        return _Step((value,), f"{name} falls {falls}, and its ceiling with it")
    return _Step(earlier, note=f"{name} fell {falls} and its ceiling stays; --tighten lowers it")


def _longer(earlier: tuple[Number, ...], new: tuple[Number, ...]) -> tuple[Number, ...]:
    """The samples and those of one more run; the first, which the others are held to, stay."""
    latest = (*earlier[FEWEST_FOR_HOST:], *new)
    return (*earlier[:FEWEST_FOR_HOST], *latest[-(MOST - FEWEST_FOR_HOST) :])


def _most(samples: Samples) -> int:
    """Of how many runs there are samples, where none has started anew."""
    peaks = (len(one) for figures in samples.peaks.values() for one in figures.values())
    return max((*peaks, *map(len, samples.seconds.values())), default=0)

"""Pace: how long each phase took, in numbers that another run on the same machine can be compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median

from fluxgate.rendering import PHASES, Rendering

WINDOW = 20  # runs that are looked back on
LONG_ENOUGH = 1.0  # seconds that a CPU must have spent on the reference's phase before a multiple of it says anything


def pace(rendering: Rendering, reference: Rendering | None) -> Mapping[str, float]:
    """Each phase in seconds on a GPU; on a CPU in seconds that it worked, as multiples of the reference's.

    A CPU's clock also counts what else it does. The reference was rendered in the same run; its short phases are
    left out."""
    if rendering.device == "cuda":
        return {phase: seconds for phase in PHASES if (seconds := rendering.seconds(phase)) is not None}
    if reference is None or reference.crash is not None:
        return {}
    worked = {phase: (rendering.processor_seconds(phase), reference.processor_seconds(phase)) for phase in PHASES}
    return {
        phase: ours / theirs
        for phase, (ours, theirs) in worked.items()
        if ours is not None and theirs is not None and theirs >= LONG_ENOUGH
    }


def step_paces(rendering: Rendering, reference: Rendering | None) -> dict[str, tuple[float, ...]]:
    """Shot -> the pace of its middle step, once for each take: a multiple of the reference's in the same run.

    Both ran on one machine within minutes, so that its CPU, which decides how fast a small denoiser is asked of a GPU,
    counts for nothing. The reference of all has its own seconds; on a CPU, where other programs stretch them, none."""
    ours = _steps(rendering)
    if reference is None:
        return ours if rendering.device == "cuda" else {}
    theirs = {shot: median(takes) for shot, takes in _steps(reference).items()} if reference.crash is None else {}
    return {
        shot: tuple(seconds / theirs[shot] for seconds in takes) for shot, takes in ours.items() if theirs.get(shot)
    }


def processor_share(rendering: Rendering) -> float | None:
    """For how much of its steps' time the case had the processor; more than 1 where several of its threads worked."""
    steps = [one for one in rendering.durations if one.steps and one.steps_processor]
    shares = [sum(one.steps_processor) / sum(one.steps) for one in steps if sum(one.steps) > 0]
    return median(shares) if shares else None


def _steps(rendering: Rendering) -> dict[str, tuple[float, ...]]:
    """Shot -> the seconds of a middle step in each take, by the GPU's clock or of the processor."""
    steps: dict[str, tuple[float, ...]] = {}
    for shot, seconds in _takes(rendering):
        steps[shot] = (*steps.get(shot, ()), median(seconds))
    return steps


def _takes(rendering: Rendering) -> Iterator[tuple[str, tuple[float, ...]]]:
    for duration in rendering.durations:
        seconds = duration.steps if rendering.device == "cuda" else duration.steps_processor
        if duration.shot and seconds:
            yield duration.shot, seconds

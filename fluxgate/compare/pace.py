"""Pace: how long each phase took, in numbers that another run on the same machine can be compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median

from fluxgate.rendering import PHASES, Duration, Rendering

WINDOW = 20  # runs that are looked back on
BESIDE_FIXED_WORK, BY_THE_CLOCK = " beside fixed work", " by the clock"  # follow a shot's name
STEP = "step of "  # comes before a shot's name where its pace stands beside those of phases
LEFT_ALONE = 0.1  # share of a take for which its threads may have waited for a processor, to be timed by the clock
# Of a step, for which a GPU was waited for when a take's stages were looked at and at its end: most of one each time
# where it is the GPU that takes long, and the time of a few kernels where it is Python that asks it.
WAITED = 0.5
LONG_ENOUGH = 1.0  # seconds that a CPU must have spent on the reference's phase before a multiple of it says anything


def pace(rendering: Rendering, reference: Rendering | None) -> Mapping[str, float]:
    """Each phase in seconds on a GPU; on a CPU in seconds that it worked, as multiples of the reference's.

    A CPU's clock also counts what else it does. The reference was rendered in the same run; its short phases are
    left out. What shared its device has none."""
    if _is_shared(rendering, reference):
        return {}
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
    counts for nothing. The reference of all is set against fixed work, see `_alone`. What shared a device has none."""
    if _is_shared(rendering, reference):
        return {}
    if reference is None:
        return _alone(rendering)
    ours = _steps(rendering)
    theirs = {shot: median(takes) for shot, takes in _steps(reference).items()} if reference.crash is None else {}
    return {
        shot: tuple(seconds / theirs[shot] for seconds in takes) for shot, takes in ours.items() if theirs.get(shot)
    }


def quickest_step_paces(rendering: Rendering, reference: Rendering | None) -> dict[str, float]:
    """Shot -> the pace of its quickest take beside the reference's quickest.

    A processor of a shared host is slow for a while and quick again, so that one take may show what the other hides.
    Fixed work beside a GPU's step takes milliseconds and speaks of its moment alone; on a CPU, where both are what the
    processor worked, a quick take excuses nothing."""
    if _is_shared(rendering, reference):
        return {}
    if reference is None:
        return {shot: min(takes) for shot, takes in _alone(rendering).items()} if rendering.device == "cuda" else {}
    theirs = {shot: min(takes) for shot, takes in _steps(reference).items()} if reference.crash is None else {}
    return {shot: min(takes) / theirs[shot] for shot, takes in _steps(rendering).items() if theirs.get(shot)}


def _is_shared(rendering: Rendering, reference: Rendering | None) -> bool:
    """Whether other cases could have the device of one of them at the same time."""
    return max(one.at_once for one in (rendering, reference) if one is not None) > 1


def kind_of(shot: str) -> str:
    """What a pace says, by the name that it has: against a reference or in seconds it is the shot's alone."""
    return next((kind for kind in (BESIDE_FIXED_WORK, BY_THE_CLOCK) if shot.endswith(kind)), "")


def _alone(rendering: Rendering) -> dict[str, tuple[float, ...]]:
    """The paces of what has no reference beside it, by shot and by what they say.

    A GPU that computes longer than it is asked has seconds of its own, which are the same on every such machine; else
    they are Python's, and a multiple of it. A CPU's are what it worked, as a multiple of fixed work; and, where others
    left it alone, what passed, since a step may also sleep."""
    paces: dict[str, tuple[float, ...]] = {}
    for take in rendering.durations:
        for what, value in _paces_of(take, gpu=rendering.device == "cuda"):
            key = f"{take.shot}{what}"
            paces[key] = (*paces.get(key, ()), value)
    return paces


def _paces_of(take: Duration, *, gpu: bool) -> Iterator[tuple[str, float]]:
    if not take.shot or not take.steps:
        return
    if gpu and is_bound_by_gpu(take):
        yield "", median(take.steps)
    if not take.fixed_work:
        return
    clock, worked = (median(values) for values in zip(*take.fixed_work, strict=True))
    if clock <= 0 or worked <= 0:  # a clock too coarse for it
        return
    if gpu and not is_bound_by_gpu(take):
        yield BESIDE_FIXED_WORK, median(take.steps) / clock
    if gpu or not take.steps_processor:
        return
    yield BESIDE_FIXED_WORK, median(take.steps_processor) / worked
    if was_left_alone(take):
        yield BY_THE_CLOCK, median(take.steps) / worked


def was_left_alone(take: Duration) -> bool:
    """Whether the system says that its threads hardly ever waited for a processor."""
    return take.delayed is not None and take.delayed <= LEFT_ALONE * take.seconds


def is_bound_by_gpu(take: Duration) -> bool:
    """Whether the GPU computes longer than it is asked: then all that asked it had to wait for it in the end."""
    return take.waited is not None and bool(take.steps) and take.waited > WAITED * median(take.steps)


def processor_share(rendering: Rendering) -> float | None:
    """For how much of its steps' time the case had the processor; more than 1 where several of its threads worked.

    Takes that were left alone do not count: where the system says that nobody else had the processor, they slept."""
    steps = [one for one in rendering.durations if one.steps and one.steps_processor and not was_left_alone(one)]
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

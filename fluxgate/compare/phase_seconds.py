"""How long encoding and decoding take, each by itself and beside the denoising of the same call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from fluxgate.compare.pace import BY_THE_CLOCK
from fluxgate.rendering import DECODE, DENOISE, ENCODE, Rendering

BESIDE_DENOISING = (ENCODE, DECODE)
LONG_ENOUGH = 0.02  # seconds of an accepted take, below which nothing is said


@dataclass(frozen=True)
class PhaseTimes:
    """How many times as long as accepted a phase took."""

    phase: str
    middle: float  # over all shots
    least: float  # of the shot that came nearest to what was accepted


def phase_seconds(rendering: Rendering) -> dict[str, tuple[float, ...]]:
    """`decode of fox` -> in each take, the seconds between the GPU's own marks, or on a CPU those that the processor
    worked; and `decode of fox by the clock`. What shared its device has none."""
    found: dict[str, tuple[float, ...]] = {}
    if rendering.at_once > 1:
        return found
    for one in rendering.durations:
        own = one.gpu if rendering.device == "cuda" else one.processor
        if one.shot and own and one.phase in (DENOISE, *BESIDE_DENOISING):
            key = _key(one.phase, one.shot)
            for name, seconds in ((key, own), (f"{key}{BY_THE_CLOCK}", one.seconds)):
                found[name] = (*found.get(name, ()), round(seconds, 5))
    return found


def phase_times(
    accepted: Mapping[str, tuple[float, ...]], now: Mapping[str, tuple[float, ...]]
) -> tuple[PhaseTimes, ...]:
    """Encoding and decoding beside what was accepted, where both sides have timed them in the same shots."""
    # One side's middle take, as a multiple of the other's.
    ratios = {key: median(now[key]) / median(takes) for key, takes in accepted.items() if key in now and median(takes)}
    found = []
    for phase in BESIDE_DENOISING:
        long = [key for key in ratios if key.startswith(f"{phase} of ") and median(accepted[key]) >= LONG_ENOUGH]
        shots = [key.removeprefix(f"{phase} of ") for key in long]
        times = [one for shot in shots if (one := _times(phase, shot, ratios)) is not None]
        if times:
            found.append(PhaseTimes(phase, median(times), min(times)))
    return tuple(found)


def _times(phase: str, shot: str, ratios: Mapping[str, float]) -> float | None:
    """The least of by itself, which a slow machine raises; beside denoising, which quicker steps raise; and by the
    clock, which others raise, while more threads raise what the processor works."""
    key, beside = _key(phase, shot), _key(DENOISE, shot)
    by_the_clock = ratios.get(f"{key}{BY_THE_CLOCK}")
    if by_the_clock is None or not ratios.get(beside):
        return None
    return min(ratios[key], ratios[key] / ratios[beside], by_the_clock)


def _key(phase: str, shot: str) -> str:
    return f"{phase} of {shot}"

"""The figures of a rendering that its history is made of: seconds, peaks, likeness, work and inventory, by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from statistics import median

from fluxgate.compare.facts import peaks_of
from fluxgate.compare.measures import SSIM
from fluxgate.compare.work import BYTES, TO_DEVICE, TO_HOST, total, total_flops
from fluxgate.judge.verdict import PROMISE, Verdict
from fluxgate.rendering import PHASES, Rendering

STEP = "step"  # seconds of a middle step


def figures_of(rendering: Rendering, verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Every figure that was measured, sorted by name."""
    return dict(sorted(_figures(rendering, verdicts)))


def recipe_of(rendering: Rendering) -> str:
    """A hash of all that decides how much was done: the shots' recipes, and how often each was rendered."""
    takes = sorted((picture.shot, picture.take) for picture in rendering.pictures)
    return hashlib.sha256(repr((sorted(rendering.recipes.items()), takes)).encode()).hexdigest()[:16]


def _figures(rendering: Rendering, verdicts: Iterable[Verdict]) -> Iterator[tuple[str, float]]:
    yield from _seconds(rendering)
    for phase, figures in peaks_of(rendering.memory).items():
        yield from ((f"{figure} {phase}, bytes", float(value)) for figure, (value,) in figures.items())
    if rendering.inventory is not None:
        yield "weights, bytes", float(rendering.inventory.total_bytes)
    if rendering.work is not None and rendering.work.calls:
        yield "work, FLOPs", float(total_flops(rendering.work))
        for what in (TO_DEVICE, TO_HOST):
            yield f"work, bytes {what}", float(total(rendering.work, BYTES, what))
    for verdict in verdicts:
        if verdict.check == PROMISE and SSIM in verdict.numbers:
            yield "likeness, SSIM", verdict.numbers[SSIM]


def _seconds(rendering: Rendering) -> Iterator[tuple[str, float]]:
    """On a CPU those that the processor worked: the clock's tell more of what else it did."""
    on_gpu = rendering.device == "cuda"
    steps = [
        step
        for duration in rendering.durations
        for step in (duration.steps if on_gpu else duration.steps_processor or duration.steps)
    ]
    if steps:
        yield f"{STEP}, seconds", median(steps)
    for phase in PHASES:
        spent = rendering.seconds(phase) if on_gpu else rendering.processor_seconds(phase)
        if spent is not None:
            yield f"{phase}, seconds", spent
        if (own := rendering.gpu_seconds(phase)) is not None:
            yield f"{phase}, GPU seconds", own

"""Limits: every floor and ceiling, with where it came from, looked up by machine, subject and strategy."""

from __future__ import annotations

from dataclasses import dataclass, field

# What is measured between two pictures. The judge computes them, calibration sets bands on them.
SSIM = "ssim"  # structural similarity over the colour channels, 1 is identical
FLIP = "flip"  # mean of the FLIP error map, 0 is identical
MEAN_DIFFERENCE = "mean difference"  # mean absolute difference, in levels of 255
MAXIMUM_DIFFERENCE = "maximum difference"  # in levels of 255
CHANGED = "changed pixels"  # share of the pixels in which any channel differs
GAIN = "gain"  # by how much the least-squares brightness factor leaves 1
COLOUR = "colour shift"  # the largest mean signed difference of a channel, in levels of 255
SHIFT = "shift"  # length of the displacement that best explains the difference, in pixels
MEASURES = (SSIM, FLIP, MEAN_DIFFERENCE, MAXIMUM_DIFFERENCE, CHANGED, GAIN, COLOUR, SHIFT)

WHOLE = "whole"  # beside the phases: the largest of them


@dataclass(frozen=True)
class Limit:
    """A floor or a ceiling, and where it came from."""

    value: float
    source: str  # "reproduces: identical", "published", "measured", …
    mean: float | None = None
    spread: float | None = None
    n: int | None = None
    machine: str | None = None
    stack: dict[str, str] = field(default_factory=dict)
    date: str | None = None


@dataclass(frozen=True)
class Band:
    """The values that a measured figure may have: at least the floor, at most the ceiling."""

    floor: Limit | None = None
    ceiling: Limit | None = None

    def broken(self, value: float) -> Limit | None:
        """The limit that the value breaks, or None; a value on a limit keeps it, and NaN breaks any."""
        if self.floor is not None and not value >= self.floor.value:
            return self.floor
        if self.ceiling is not None and not value <= self.ceiling.value:
            return self.ceiling
        return None


@dataclass(frozen=True)
class CaseLimits:
    """All that was measured about one case on one machine; what is empty or None was never measured."""

    likeness: dict[str, Band] = field(default_factory=dict)  # measure -> band, of each picture against its reference
    overall: dict[str, Band] = field(default_factory=dict)  # measure -> band of the mean over all pictures of the case
    drift: dict[str, Band] = field(default_factory=dict)  # measure -> what legal changes of machine or release did
    memory: dict[str, Band] = field(default_factory=dict)  # phase or "whole" -> allocated bytes on the GPU
    host: Band | None = None  # the worker's own peak, bytes
    gives_back: Band | None = None  # bytes that may stay on the GPU once the pipeline is freed
    published: Limit | None = None  # bytes that somebody else reported, as the driver saw them
    unseparated: tuple[str, ...] = ()  # controls that the likeness bands let through

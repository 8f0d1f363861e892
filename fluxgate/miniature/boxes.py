"""The boxes that things are drawn in, by which a scene is laid out."""

from __future__ import annotations

from dataclasses import dataclass

from fluxgate.miniature.scenes import SHAPES


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    height: float
    kind: str

    @property
    def width(self) -> float:
        return self.height * SHAPES[self.kind]

    def meets(self, other: Box, *, gap: float) -> bool:
        across = abs(self.x - other.x) < (self.width + other.width) / 2 + gap
        return across and abs(self.y - other.y) < (self.height + other.height) / 2 + gap


def frame(aspect: float) -> tuple[float, float]:
    """Width and height in units of the shorter side."""
    return max(aspect, 1.0), max(1 / aspect, 1.0)

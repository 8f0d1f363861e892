"""The pen: filled, inked shapes with smooth edges, and the colours they are painted in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from PIL import ImageDraw

RGB = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

INK: RGB = (52, 34, 44)
CREAM: RGB = (252, 246, 230)
COLOURS: dict[str, RGB] = {
    "red": (222, 58, 56),
    "orange": (242, 136, 44),
    "yellow": (252, 206, 60),
    "green": (86, 176, 84),
    "blue": (64, 128, 220),
    "purple": (146, 86, 190),
    "pink": (248, 150, 184),
    "white": (250, 246, 240),
    "grey": (146, 156, 172),
    "brown": (162, 110, 74),
}


@dataclass(frozen=True)
class Pen:
    """Draws filled, inked shapes in units of the thing's height."""

    canvas: ImageDraw.ImageDraw
    unit: float
    line: float

    def shape(self, points: Points, fill: RGB | None, *, ink: RGB | None = INK, line: float | None = None) -> None:
        """A closed polygon with round joints."""
        scaled = [(x * self.unit, y * self.unit) for x, y in points]
        if fill is not None:
            self.canvas.polygon(scaled, fill=fill)
        if ink is not None:
            self._stroke([*scaled, scaled[0], scaled[1]], ink, line)

    def blob(self, points: Points, fill: RGB | None, *, ink: RGB | None = INK, line: float | None = None) -> None:
        """A closed smooth curve through the points; a point given twice is a corner."""
        self.shape(smooth(points), fill, ink=ink, line=line)

    def disc(self, x: float, y: float, rx: float, ry: float, fill: RGB | None, *, ink: RGB | None = INK) -> None:
        turns = [2 * pi * k / 72 for k in range(72)]
        self.shape([(x + rx * cos(t), y + ry * sin(t)) for t in turns], fill, ink=ink)

    def stroke(self, points: Points, ink: RGB = INK, *, line: float | None = None) -> None:
        """An open line through the points."""
        self._stroke([(x * self.unit, y * self.unit) for x, y in points], ink, line)

    def _stroke(self, scaled: list[tuple[float, float]], ink: RGB, line: float | None) -> None:
        wide = max(1, round((line or self.line) * self.unit))
        self.canvas.line(scaled, fill=ink, width=wide, joint="curve")
        for x, y in (scaled[0], scaled[-1]):
            self.canvas.ellipse((x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2), fill=ink)


def smooth(points: Points) -> list[tuple[float, float]]:
    """A closed Catmull-Rom curve through the points."""
    knots = np.array(points, dtype=float)
    steps = np.linspace(0, 1, 12, endpoint=False)[:, None]
    out = []
    for i in range(len(knots)):
        a, b, c, d = (knots[(i + k) % len(knots)] for k in (-1, 0, 1, 2))
        if np.array_equal(b, c):  # a corner: the curve stops here and starts anew
            continue
        curve = b + 0.5 * steps * (c - a + steps * (2 * a - 5 * b + 4 * c - d + steps * (3 * (b - c) + d - a)))
        out += [(float(x), float(y)) for x, y in curve]
    return out


def mixed(colour: RGB, other: RGB, share: float) -> RGB:
    """The colour with a share of another in it."""
    r, g, b = (round(a + (c - a) * share) for a, c in zip(colour, other, strict=True))
    return r, g, b


def lighter(colour: RGB, share: float = 0.35) -> RGB:
    return mixed(colour, (255, 252, 240), share)


def darker(colour: RGB, share: float = 0.25) -> RGB:
    return mixed(colour, INK, share)

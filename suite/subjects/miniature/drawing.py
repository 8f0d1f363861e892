"""The storybook's pictures: scenes painted with ink outlines over soft, uninked backgrounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from suite.subjects.miniature.scenes import HORIZON, MAGIC, SHAPES, Group, Scene

RGB = tuple[int, int, int]
Points = Sequence[tuple[float, float]]
Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]

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
MASTER = 512  # pixels of height at which each thing is painted once
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def saturation_of(guidance: float) -> float:
    """The colour saturation a guidance value stands for; 3.5 is the colours as painted."""
    return float(np.interp(guidance, [1.0, 3.5, 6.0], [0.4, 1.0, 1.5]))


def draw(scene: Scene, *, width: int, height: int, saturation: float = 1.0) -> Picture:
    """Paint a scene as an RGB picture of any size."""
    canvas = Image.fromarray(backdrop(scene.setting, night=scene.night, seed=scene.seed, width=width, height=height))
    for group, index in _back_to_front(scene):
        _put(canvas, scene, group, index)
    return saturated(np.asarray(canvas), saturation=saturation)


def saturated(picture: Picture, *, saturation: float) -> Picture:
    """Move every colour towards its grey (below 1) or away from it (above 1)."""
    if saturation == 1.0:
        return picture
    colours = picture.astype(np.float32)
    grey = (colours @ LUMA)[..., None]
    return np.clip(grey + saturation * (colours - grey) + 0.5, 0, 255).astype(np.uint8)


def _back_to_front(scene: Scene) -> list[tuple[Group, int]]:
    things = [(group, index) for group in scene.groups for index in range(group.count)]
    order = {"blanket": 0, "firefly": 2}
    feet = [group.y[i] + group.scale[i] / 2 * min(1.0, scene.aspect) for group, i in things]
    ranks = sorted(range(len(things)), key=lambda k: (order.get(things[k][0].kind, 1), feet[k]))
    return [things[k] for k in ranks]


def _put(canvas: Image.Image, scene: Scene, group: Group, index: int) -> None:
    width, height = canvas.size
    tall = max(4, round(group.scale[index] * min(width, height)))
    turned = group.kind in ("fox", "teacup", "rabbit") and bool((scene.seed >> (index + len(group.kind))) & 1)
    if scene.picnic and group.kind == "fox":
        turned = group.x[index] > 0.5  # tails point outwards, away from the blanket
    picture = sprite(group.kind, group.colour, tall=tall, turned=not turned, night=scene.night)
    x = round(group.x[index] * width - picture.width / 2)
    y = round(group.y[index] * height - picture.height / 2)
    canvas.paste(picture, (x, y), picture)


# Things


@lru_cache(maxsize=2048)
def sprite(kind: str, colour: str, *, tall: int, turned: bool = False, night: bool = False) -> Image.Image:
    """One thing as an RGBA picture, this many pixels high."""
    small = max(1, round(tall * SHAPES[kind]))
    picture = _master(kind, colour).resize((small, tall), Image.Resampling.HAMMING)
    if night and kind not in ("moon", "star", "firefly"):
        picture = _dimmed(picture)
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if turned else picture


def _dimmed(picture: Image.Image) -> Image.Image:
    """Moonlight: a little darker and bluer, with every colour still told apart."""
    values = np.asarray(picture).astype(np.float32)
    values[..., :3] *= np.array([0.93, 0.94, 1.0], dtype=np.float32)
    return Image.fromarray((values + 0.5).astype(np.uint8), "RGBA")


@lru_cache(maxsize=256)
def _master(kind: str, colour: str) -> Image.Image:
    """Paint at twice the master's size, then halve it for smooth edges."""
    tall = 2 * MASTER
    size = (round(tall * SHAPES[kind]), tall)
    canvas = Image.new("RGBA", size, (*INK, 0))
    if kind == "firefly":
        return _glow(MASTER)
    pen = Pen(ImageDraw.Draw(canvas), tall, LINES.get(kind, 0.045))
    PAINTERS[kind](pen, COLOURS[colour])
    return canvas.reduce(2)


def _glow(tall: int) -> Image.Image:
    """A firefly: a bright core in a soft halo."""
    y, x = np.mgrid[0:tall, 0:tall]
    far = np.hypot(x - tall / 2 + 0.5, y - tall / 2 + 0.5) / (tall / 2)
    core = np.clip((0.6 - far) / 0.06, 0, 1)
    alpha = np.maximum(core, 0.75 * np.clip(1 - far, 0, 1) ** 1.2)
    warm = np.array([255, 214, 70]), np.array([255, 250, 190])
    heart = np.clip((0.42 - far) / 0.15, 0, 1)[..., None]
    rgb = warm[0] * (1 - heart) + warm[1] * heart
    return Image.fromarray(np.dstack([rgb, alpha * 255]).astype(np.uint8), "RGBA")


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


def _fox(pen: Pen, fur: RGB) -> None:
    tail = [(0.5, 0.9), (0.72, 0.92), (0.9, 0.78), (0.93, 0.6), (0.86, 0.45), (0.86, 0.45), (0.72, 0.56), (0.66, 0.7)]
    pen.blob(tail, fur)
    tip = [(0.925, 0.62), (0.86, 0.45), (0.86, 0.45), (0.745, 0.545), (0.8, 0.57), (0.83, 0.64), (0.88, 0.6)]
    pen.blob(tip, CREAM)
    body = [(0.42, 0.5), (0.58, 0.6), (0.66, 0.8), (0.62, 0.955), (0.42, 0.97), (0.2, 0.955), (0.16, 0.8), (0.25, 0.6)]
    pen.blob(body, fur)
    pen.blob([(0.41, 0.55), (0.52, 0.66), (0.5, 0.84), (0.41, 0.9), (0.32, 0.84), (0.3, 0.66)], CREAM, ink=None)
    pen.disc(0.3, 0.93, 0.085, 0.045, CREAM)
    pen.disc(0.52, 0.93, 0.085, 0.045, CREAM)
    for flip in (-1, 1):
        ear = [(0.09, 0.28), (0.1, 0.03), (0.1, 0.03), (0.38, 0.16), (0.3, 0.3)]
        inner = [(0.15, 0.22), (0.145, 0.11), (0.145, 0.11), (0.28, 0.17), (0.22, 0.26)]
        pen.blob([(0.41 + flip * (x - 0.41), y) for x, y in ear], fur)
        pen.blob([(0.41 + flip * (x - 0.41), y) for x, y in inner], darker(fur, 0.5), ink=None)
    head = [
        (0.41, 0.14),
        (0.6, 0.17),
        (0.73, 0.32),
        (0.81, 0.47),
        (0.81, 0.47),
        (0.66, 0.58),
        (0.5, 0.645),
        (0.41, 0.66),
    ]
    head += [(0.82 - x, y) for x, y in reversed(head[1:-1])]
    pen.blob(head, fur, ink=None)
    cheek = [
        (0.41, 0.52),
        (0.5, 0.44),
        (0.62, 0.42),
        (0.81, 0.47),
        (0.81, 0.47),
        (0.66, 0.58),
        (0.5, 0.645),
        (0.41, 0.66),
    ]
    pen.blob(cheek + [(0.82 - x, y) for x, y in reversed(cheek[1:-1])], CREAM, ink=None)
    pen.blob(head, None)
    for x in (0.27, 0.55):
        pen.disc(x, 0.4, 0.045, 0.055, INK, ink=None)
    pen.blob([(0.35, 0.555), (0.41, 0.535), (0.47, 0.555), (0.41, 0.625)], INK, ink=None)


def _rabbit(pen: Pen, fur: RGB) -> None:
    pink = (244, 172, 178)
    pen.disc(0.56, 0.82, 0.075, 0.075, CREAM)
    for x in (0.2, 0.42):
        lean = 0.04 if x > 0.3 else -0.04
        outer = [(-0.09, 0.3), (-0.08 + lean, 0.1), (lean, 0.03), (0.08 + lean, 0.1), (0.09, 0.3)]
        inner = [(-0.03, 0.28), (-0.03 + lean, 0.14), (lean, 0.1), (0.03 + lean, 0.14), (0.03, 0.28)]
        pen.blob([(x + dx, y) for dx, y in outer], fur)
        pen.blob([(x + dx, y) for dx, y in inner], pink, ink=None)
    pen.blob(
        [
            (0.31, 0.55),
            (0.48, 0.66),
            (0.54, 0.85),
            (0.46, 0.965),
            (0.31, 0.97),
            (0.16, 0.965),
            (0.08, 0.85),
            (0.14, 0.66),
        ],
        fur,
    )
    pen.disc(0.31, 0.78, 0.11, 0.13, lighter(fur, 0.6), ink=None)
    pen.disc(0.2, 0.935, 0.095, 0.04, fur)
    pen.disc(0.42, 0.935, 0.095, 0.04, fur)
    pen.blob(
        [(0.31, 0.26), (0.48, 0.3), (0.575, 0.45), (0.5, 0.6), (0.31, 0.635), (0.12, 0.6), (0.045, 0.45), (0.14, 0.3)],
        fur,
    )
    for x in (0.2, 0.42):
        pen.disc(x, 0.43, 0.037, 0.047, INK, ink=None)
    for x in (0.13, 0.49):
        pen.disc(x, 0.52, 0.05, 0.035, pink, ink=None)
    pen.blob([(0.265, 0.5), (0.31, 0.49), (0.355, 0.5), (0.31, 0.545)], (216, 96, 116), ink=None)


def _mushroom(pen: Pen, cap: RGB) -> None:
    stem = [(0.38, 0.5), (0.62, 0.5), (0.64, 0.72), (0.7, 0.92), (0.62, 0.96), (0.38, 0.96), (0.3, 0.92), (0.36, 0.72)]
    pen.blob(stem, CREAM)
    pen.blob([(0.39, 0.54), (0.6, 0.54), (0.61, 0.64), (0.5, 0.66), (0.4, 0.64)], darker(CREAM, 0.2), ink=None)
    dome = [(0.5, 0.04), (0.76, 0.11), (0.93, 0.34), (0.95, 0.53), (0.86, 0.59), (0.5, 0.61)]
    dome += [(1 - x, y) for x, y in reversed(dome[1:-1])]
    pen.blob(dome, cap, ink=None)
    rim = [(0.95, 0.5), (0.86, 0.59), (0.5, 0.61), (0.14, 0.59), (0.05, 0.5), (0.2, 0.52), (0.5, 0.54), (0.8, 0.52)]
    pen.blob(rim, darker(cap, 0.2), ink=None)
    for x, y, r in ((0.5, 0.21, 0.1), (0.25, 0.37, 0.085), (0.76, 0.36, 0.085), (0.51, 0.43, 0.06)):
        pen.disc(x, y, r, r * 0.85, CREAM, ink=None)
    pen.blob(dome, None)


def _teacup(pen: Pen, glaze: RGB) -> None:
    pen.disc(0.57, 0.86, 0.5, 0.09, lighter(glaze, 0.55))
    pen.blob([(0.94, 0.28), (1.13, 0.24), (1.22, 0.4), (1.12, 0.58), (0.88, 0.66)], None, line=0.12)
    pen.blob([(0.94, 0.28), (1.13, 0.24), (1.22, 0.4), (1.12, 0.58), (0.88, 0.66)], None, ink=glaze, line=0.05)
    bowl = [
        (0.1, 0.2),
        (0.1, 0.2),
        (1.04, 0.2),
        (1.04, 0.2),
        (0.99, 0.5),
        (0.82, 0.78),
        (0.57, 0.84),
        (0.32, 0.78),
        (0.15, 0.5),
    ]
    pen.blob(bowl, glaze, ink=None)
    pen.blob(
        [(0.2, 0.26), (0.2, 0.26), (0.36, 0.3), (0.38, 0.5), (0.48, 0.74), (0.36, 0.73), (0.24, 0.55)],
        lighter(glaze, 0.45),
        ink=None,
    )
    pen.blob(bowl, None)
    pen.disc(0.57, 0.2, 0.47, 0.13, CREAM)
    pen.disc(0.57, 0.215, 0.33, 0.07, (164, 98, 48), ink=None)


def _tree(pen: Pen, leaf: RGB) -> None:
    bark = (140, 92, 62)
    pen.blob(
        [
            (0.34, 0.55),
            (0.46, 0.55),
            (0.46, 0.8),
            (0.54, 0.965),
            (0.54, 0.965),
            (0.26, 0.965),
            (0.26, 0.965),
            (0.34, 0.8),
        ],
        bark,
    )
    puffs = (
        (0.4, 0.2, 0.17),
        (0.22, 0.34, 0.18),
        (0.58, 0.34, 0.18),
        (0.25, 0.52, 0.155),
        (0.55, 0.52, 0.155),
        (0.4, 0.42, 0.2),
    )
    for x, y, r in puffs:
        pen.disc(x, y, r + pen.line / 2, r + pen.line / 2, INK, ink=None)
    for x, y, r in puffs:
        pen.disc(x, y, r - pen.line / 2, r - pen.line / 2, leaf, ink=None)
    for x, y, r in ((0.36, 0.17, 0.09), (0.17, 0.32, 0.08), (0.54, 0.3, 0.08)):
        pen.disc(x, y, r, r * 0.8, lighter(leaf, 0.35), ink=None)
    for x, y in ((0.3, 0.57), (0.5, 0.57), (0.4, 0.47)):
        pen.disc(x, y, 0.07, 0.045, darker(leaf, 0.22), ink=None)


def _house(pen: Pen, wall: RGB) -> None:
    roof = (128, 84, 84)
    pen.shape([(0.64, 0.08), (0.76, 0.08), (0.76, 0.35), (0.64, 0.3)], (186, 130, 110))
    pen.shape([(0.14, 0.42), (0.81, 0.42), (0.81, 0.965), (0.14, 0.965)], wall)
    pen.shape([(0.475, 0.05), (0.92, 0.47), (0.03, 0.47)], roof)
    pen.shape([(0.24, 0.97), (0.24, 0.66), (0.43, 0.66), (0.43, 0.97)], (120, 76, 52))
    pen.shape([(0.53, 0.62), (0.71, 0.62), (0.71, 0.8), (0.53, 0.8)], (255, 238, 160))
    pen.disc(0.475, 0.31, 0.07, 0.07, (255, 238, 160))


def _flower(pen: Pen, petal: RGB) -> None:
    leaf = (84, 160, 80)
    pen.stroke([(0.31, 0.5), (0.31, 0.96)], line=0.1)
    pen.stroke([(0.31, 0.5), (0.31, 0.96)], leaf, line=0.035)
    pen.blob([(0.31, 0.9), (0.31, 0.9), (0.38, 0.74), (0.56, 0.68), (0.56, 0.68), (0.5, 0.84)], leaf)
    pen.blob([(0.31, 0.9), (0.31, 0.9), (0.24, 0.74), (0.06, 0.68), (0.06, 0.68), (0.12, 0.84)], leaf)
    turns = [2 * pi * k / 6 + pi / 6 for k in range(6)]
    for turn in turns:
        pen.disc(0.31 + 0.165 * cos(turn), 0.31 + 0.165 * sin(turn), 0.12, 0.12, petal)
    heart = (255, 246, 214) if petal == COLOURS["yellow"] else (255, 210, 70)
    pen.disc(0.31, 0.31, 0.115, 0.115, heart)


def _balloon(pen: Pen, skin: RGB) -> None:
    pen.stroke([(0.31, 0.68), (0.35, 0.77), (0.28, 0.87), (0.31, 0.97)], line=0.05)
    pen.shape([(0.31, 0.64), (0.38, 0.735), (0.24, 0.735)], skin)
    pen.blob(
        [
            (0.31, 0.035),
            (0.52, 0.13),
            (0.58, 0.33),
            (0.48, 0.55),
            (0.31, 0.67),
            (0.14, 0.55),
            (0.04, 0.33),
            (0.1, 0.13),
        ],
        skin,
    )
    pen.blob([(0.19, 0.16), (0.26, 0.15), (0.19, 0.3), (0.14, 0.3)], lighter(skin, 0.7), ink=None)


def _moon(pen: Pen, light: RGB) -> None:
    outer = [
        (0.62 + 0.0, 0.06),
        (0.62, 0.06),
        (0.32, 0.1),
        (0.09, 0.34),
        (0.09, 0.66),
        (0.32, 0.9),
        (0.62, 0.94),
        (0.82, 0.82),
        (0.82, 0.82),
    ]
    pen.blob([*outer, (0.6, 0.76), (0.47, 0.6), (0.45, 0.4), (0.5, 0.22)], lighter(light, 0.3))


def _star(pen: Pen, light: RGB) -> None:
    turns = [pi * k / 5 - pi / 2 for k in range(10)]
    radii = [0.46, 0.23] * 5
    pen.shape([(0.525 + r * cos(t), 0.52 + r * sin(t)) for t, r in zip(turns, radii, strict=True)], light)


def _blanket(pen: Pen, cloth: RGB) -> None:
    corners = (0.36, 0.07), (2.24, 0.07), (2.54, 0.93), (0.06, 0.93)

    def at(u: float, v: float) -> tuple[float, float]:
        left = corners[0][0] + (corners[3][0] - corners[0][0]) * v
        right = corners[1][0] + (corners[2][0] - corners[1][0]) * v
        return left + (right - left) * u, 0.07 + 0.86 * v

    pen.shape(corners, CREAM, ink=None)
    for i in range(8):
        for j in range(3):
            if (i + j) % 2 == 0:
                u, v = i / 8, j / 3
                pen.shape([at(u, v), at(u + 1 / 8, v), at(u + 1 / 8, v + 1 / 3), at(u, v + 1 / 3)], cloth, ink=None)
    pen.shape(corners, None)


PAINTERS: dict[str, Callable[[Pen, RGB], None]] = {
    "fox": _fox, "rabbit": _rabbit, "mushroom": _mushroom, "teacup": _teacup, "tree": _tree, "house": _house,
    "flower": _flower, "balloon": _balloon, "moon": _moon, "star": _star, "blanket": _blanket,
}  # fmt: skip
# Ink width over height: small things get relatively thicker lines, so that no line is lost to the VAE.
LINES = {
    "fox": 0.036, "rabbit": 0.04, "mushroom": 0.05, "teacup": 0.065, "tree": 0.03, "house": 0.034, "flower": 0.045,
    "balloon": 0.045, "moon": 0.055, "star": 0.09, "blanket": 0.042,
}  # fmt: skip


# Backgrounds


@dataclass(frozen=True)
class Layer:
    """A hill, a shore or a row of treetops: everything below a wavy line, in a gradient."""

    line: float
    swing: float
    waves: float
    top: RGB
    bottom: RGB
    seed: int = 0


@dataclass(frozen=True)
class Palette:
    """The colours of one setting at one time of day."""

    sky: tuple[RGB, RGB]
    layers: tuple[Layer, ...]
    trunks: RGB | None = None
    crowns: RGB | None = None


DAY: dict[str, Palette] = {
    "meadow": Palette(
        ((150, 206, 244), (226, 240, 240)),
        (
            Layer(HORIZON - 0.1, 0.035, 1.0, (176, 216, 160), (166, 208, 140)),
            Layer(HORIZON + 0.03, 0.025, 0.8, (178, 218, 116), (140, 194, 92)),
        ),
    ),
    "forest": Palette(
        ((202, 226, 176), (226, 236, 190)),
        (
            Layer(HORIZON - 0.05, 0.02, 2.2, (156, 186, 124), (160, 188, 122)),
            Layer(HORIZON + 0.04, 0.015, 0.9, (150, 176, 104), (116, 148, 84)),
        ),
        trunks=(168, 180, 132),
        crowns=(124, 168, 112),
    ),
    "lake": Palette(
        ((166, 214, 246), (240, 240, 226)),
        (
            Layer(HORIZON - 0.09, 0.03, 1.2, (152, 190, 196), (160, 196, 196)),
            Layer(HORIZON - 0.02, 0.0, 1.0, (118, 190, 222), (148, 210, 230)),
            Layer(HORIZON + 0.14, 0.018, 0.7, (236, 220, 172), (222, 198, 146)),
        ),
    ),
    "snow": Palette(
        ((186, 214, 238), (226, 234, 242)),
        (
            Layer(HORIZON - 0.16, 0.07, 1.5, (200, 212, 230), (216, 224, 238)),
            Layer(HORIZON, 0.025, 0.8, (246, 249, 252), (224, 233, 244)),
        ),
    ),
    "desert": Palette(
        ((250, 208, 156), (254, 236, 200)),
        (
            Layer(HORIZON - 0.1, 0.05, 1.2, (236, 184, 134), (234, 186, 130)),
            Layer(HORIZON + 0.04, 0.035, 0.7, (244, 202, 128), (228, 172, 100)),
        ),
    ),
    MAGIC: Palette(
        ((104, 82, 164), (168, 158, 214)),
        (
            Layer(HORIZON - 0.06, 0.02, 2.2, (92, 110, 160), (88, 116, 158)),
            Layer(HORIZON + 0.02, 0.015, 0.9, (82, 144, 144), (56, 106, 118)),
        ),
        trunks=(104, 92, 160),
        crowns=(76, 62, 128),
    ),
}
NIGHT: dict[str, Palette] = {
    "meadow": Palette(
        ((54, 70, 134), (104, 124, 180)),
        (
            Layer(HORIZON - 0.1, 0.035, 1.0, (74, 110, 122), (72, 110, 112)),
            Layer(HORIZON + 0.03, 0.025, 0.8, (84, 132, 102), (66, 108, 88)),
        ),
    ),
    "forest": Palette(
        ((62, 88, 112), (82, 112, 122)),
        (
            Layer(HORIZON - 0.05, 0.02, 2.2, (64, 92, 86), (66, 94, 86)),
            Layer(HORIZON + 0.04, 0.015, 0.9, (76, 106, 84), (62, 88, 72)),
        ),
        trunks=(70, 92, 100),
        crowns=(56, 86, 88),
    ),
    "lake": Palette(
        ((52, 66, 128), (120, 130, 176)),
        (
            Layer(HORIZON - 0.09, 0.03, 1.2, (72, 88, 128), (74, 92, 130)),
            Layer(HORIZON - 0.02, 0.0, 1.0, (62, 102, 160), (80, 124, 172)),
            Layer(HORIZON + 0.14, 0.018, 0.7, (142, 134, 134), (122, 112, 116)),
        ),
    ),
    "snow": Palette(
        ((64, 78, 138), (126, 140, 190)),
        (
            Layer(HORIZON - 0.16, 0.07, 1.5, (118, 132, 180), (132, 146, 190)),
            Layer(HORIZON, 0.025, 0.8, (188, 200, 228), (158, 174, 212)),
        ),
    ),
    "desert": Palette(
        ((84, 66, 124), (168, 116, 138)),
        (
            Layer(HORIZON - 0.1, 0.05, 1.2, (130, 90, 112), (132, 92, 110)),
            Layer(HORIZON + 0.04, 0.035, 0.7, (160, 118, 106), (132, 94, 92)),
        ),
    ),
    MAGIC: DAY[MAGIC],
}


def palette(setting: str, *, night: bool) -> Palette:
    return (NIGHT if night else DAY)[setting]


def backdrop(setting: str, *, night: bool, seed: int, width: int, height: int) -> Picture:
    """The setting without things; the seed shifts hills and trunks."""
    colours = palette(setting, night=night)
    rng = np.random.default_rng(seed)
    canvas = _gradient(colours.sky, height=height, width=width, first=0.0, last=HORIZON)
    if colours.trunks and colours.crowns:
        _wood(canvas, colours.trunks, colours.crowns, rng=rng)
    for layer in colours.layers:
        _cover(canvas, layer, shift=float(rng.uniform(0, 2 * pi)))
    return (canvas + 0.5).astype(np.uint8)


def _gradient(ends: tuple[RGB, RGB], *, height: int, width: int, first: float, last: float) -> Floats:
    return np.repeat(_rows(ends, height=height, first=first, last=last)[:, None], width, axis=1)


def _rows(ends: tuple[RGB, RGB], *, height: int, first: float, last: float) -> Floats:
    """One colour per row, from the first to the last share of the height."""
    share = np.clip(((np.arange(height) + 0.5) / height - first) / (last - first), 0, 1)[:, None]
    top, bottom = (np.array(end, dtype=np.float32) for end in ends)
    return (top + share * (bottom - top)).astype(np.float32)


def _cover(canvas: Floats, layer: Layer, *, shift: float) -> None:
    """Lay a layer over everything below its line, with a soft edge."""
    height, width = canvas.shape[:2]
    short = min(height, width)
    x = np.arange(width, dtype=np.float32) / short
    wave = np.sin(2 * pi * layer.waves * x + shift) + 0.4 * np.sin(2 * pi * 1.9 * layer.waves * x + 2.3 * shift)
    edge = layer.line * height + layer.swing * short * wave
    first = max(0, int(edge.min()) - 2)
    last = min(height, int(edge.max()) + 3)
    rows = _rows((layer.top, layer.bottom), height=height, first=layer.line, last=1.0)
    alpha = np.clip(np.arange(first, last)[:, None] - edge + 0.5, 0, 1).astype(np.float32)[..., None]
    canvas[first:last] += alpha * (rows[first:last, None] - canvas[first:last])
    canvas[last:] = rows[last:, None]


def _wood(canvas: Floats, trunk: RGB, crown: RGB, *, rng: np.random.Generator) -> None:
    """Pale trunks in the distance and a canopy of leaves along the upper edge, both without ink."""
    height, width = canvas.shape[:2]
    short = min(height, width)
    x = np.arange(width, dtype=np.float32) / short
    shade = np.zeros(width, dtype=np.float32)
    start = float(rng.uniform(-0.1, 0.1))
    for k in range(round(width / short / 0.22) + 2):
        centre = start + 0.22 * k + float(rng.uniform(-0.04, 0.04))
        wide = float(rng.uniform(0.02, 0.036))
        shade = np.maximum(shade, np.clip((wide - np.abs(x - centre)) * short + 0.5, 0, 1))
    canvas += shade[None, :, None] * (np.array(trunk, dtype=np.float32) - canvas)
    edge = (0.1 * height / short + 0.035 * np.abs(np.sin(2 * pi * 1.6 * x + start * 9))) * short
    last = min(height, int(edge.max()) + 3)
    alpha = np.clip(edge - np.arange(last)[:, None] + 0.5, 0, 1).astype(np.float32)[..., None]
    canvas[:last] += alpha * (np.array(crown, dtype=np.float32) - canvas[:last])

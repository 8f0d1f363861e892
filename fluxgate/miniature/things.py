"""How each kind of thing is painted, and its picture at any size."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw

from fluxgate.miniature.pen import COLOURS, CREAM, INK, RGB, Pen, darker, lighter
from fluxgate.miniature.scenes import NIGHTLY, SHAPES

MASTER = 512  # pixels of height at which each thing is painted once


@lru_cache(maxsize=2048)
def sprite(kind: str, colour: str, *, tall: int, turned: bool = False, night: bool = False) -> Image.Image:
    """One thing as an RGBA picture, this many pixels high; things are painted turned, so others are mirrored."""
    small = max(1, round(tall * SHAPES[kind]))
    picture = _master(kind, colour).resize((small, tall), Image.Resampling.HAMMING)
    if night and kind not in NIGHTLY:
        picture = _dimmed(picture)
    return picture if turned else picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


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
        (0.41, 0.14), (0.6, 0.17), (0.73, 0.32), (0.81, 0.47),
        (0.81, 0.47), (0.66, 0.58), (0.5, 0.645), (0.41, 0.66),
    ]  # fmt: skip
    head += [(0.82 - x, y) for x, y in reversed(head[1:-1])]
    pen.blob(head, fur, ink=None)
    cheek = [
        (0.41, 0.52), (0.5, 0.44), (0.62, 0.42), (0.81, 0.47),
        (0.81, 0.47), (0.66, 0.58), (0.5, 0.645), (0.41, 0.66),
    ]  # fmt: skip
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
    body = [
        (0.31, 0.55), (0.48, 0.66), (0.54, 0.85), (0.46, 0.965),
        (0.31, 0.97), (0.16, 0.965), (0.08, 0.85), (0.14, 0.66),
    ]  # fmt: skip
    pen.blob(body, fur)
    pen.disc(0.31, 0.78, 0.11, 0.13, lighter(fur, 0.6), ink=None)
    pen.disc(0.2, 0.935, 0.095, 0.04, fur)
    pen.disc(0.42, 0.935, 0.095, 0.04, fur)
    head = [
        (0.31, 0.26),
        (0.48, 0.3),
        (0.575, 0.45),
        (0.5, 0.6),
        (0.31, 0.635),
        (0.12, 0.6),
        (0.045, 0.45),
        (0.14, 0.3),
    ]
    pen.blob(head, fur)
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
        (0.1, 0.2), (0.1, 0.2), (1.04, 0.2), (1.04, 0.2), (0.99, 0.5),
        (0.82, 0.78), (0.57, 0.84), (0.32, 0.78), (0.15, 0.5),
    ]  # fmt: skip
    pen.blob(bowl, glaze, ink=None)
    shine = [(0.2, 0.26), (0.2, 0.26), (0.36, 0.3), (0.38, 0.5), (0.48, 0.74), (0.36, 0.73), (0.24, 0.55)]
    pen.blob(shine, lighter(glaze, 0.45), ink=None)
    pen.blob(bowl, None)
    pen.disc(0.57, 0.2, 0.47, 0.13, CREAM)
    pen.disc(0.57, 0.215, 0.33, 0.07, (164, 98, 48), ink=None)


def _tree(pen: Pen, leaf: RGB) -> None:
    bark = (140, 92, 62)
    trunk = [
        (0.34, 0.55), (0.46, 0.55), (0.46, 0.8), (0.54, 0.965),
        (0.54, 0.965), (0.26, 0.965), (0.26, 0.965), (0.34, 0.8),
    ]  # fmt: skip
    pen.blob(trunk, bark)
    puffs = (
        (0.4, 0.2, 0.17), (0.22, 0.34, 0.18), (0.58, 0.34, 0.18),
        (0.25, 0.52, 0.155), (0.55, 0.52, 0.155), (0.4, 0.42, 0.2),
    )  # fmt: skip
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
    bulb = [
        (0.31, 0.035), (0.52, 0.13), (0.58, 0.33), (0.48, 0.55), (0.31, 0.67), (0.14, 0.55), (0.04, 0.33), (0.1, 0.13),
    ]  # fmt: skip
    pen.blob(bulb, skin)
    pen.blob([(0.19, 0.16), (0.26, 0.15), (0.19, 0.3), (0.14, 0.3)], lighter(skin, 0.7), ink=None)


def _moon(pen: Pen, light: RGB) -> None:
    outer = [
        (0.62, 0.06), (0.62, 0.06), (0.32, 0.1), (0.09, 0.34), (0.09, 0.66), (0.32, 0.9), (0.62, 0.94),
        (0.82, 0.82), (0.82, 0.82),
    ]  # fmt: skip
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

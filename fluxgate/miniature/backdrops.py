"""The places things stand in: soft hills, shores and trunks by day and by night, without ink."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from fluxgate.miniature.pen import RGB
from fluxgate.miniature.scenes import MAGIC

Floats = NDArray[np.float32]
HORIZON = 0.56


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


def backdrop(setting: str, *, night: bool, seed: int, width: int, height: int) -> NDArray[np.uint8]:
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

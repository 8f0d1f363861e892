"""Where a picture is: the setting and time of day whose bare backdrop it shows, and how its colours are off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fluxgate.miniature.backdrops import backdrop
from fluxgate.miniature.drawing import LUMA, Picture, saturated
from fluxgate.miniature.scenes import MAGIC, SETTINGS

Floats = NDArray[np.float32]

SHORT = 112  # the shorter side, in pixels, at which pictures are read
BLUR = 0.6
MARGIN = 8  # pixels of edge repeated around the picture, for things that touch the frame
SAMPLE = (24, 24)
SATURATIONS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.15, 1.3, 1.5, 1.7)
FAR = 42.0  # levels at which a pixel counts as not of the place at all
STRANGE = 0.56  # mean share of FAR above which a picture shows no known place
FEW = 60  # samples of bare backdrop below which nothing can be said of its colours
PALEST = 0.13  # saturation below which a picture has no colours to read
PLAIN = 5.0  # spread of levels below which a picture is one flat colour
DIM = 16.0  # levels of chroma below which a backdrop says little of saturation


@dataclass(frozen=True)
class Place:
    """Where a picture is, how its colours were saturated, and by how much each channel is off."""

    setting: str
    night: bool
    saturation: float
    gain: Floats


def place_of(picture: Picture) -> Place | None:
    """The setting, time of day and saturation whose bare backdrop the picture comes nearest to."""
    small = np.asarray(Image.fromarray(picture).resize(SAMPLE, Image.Resampling.BOX)).astype(np.float32)
    if small.std(axis=(0, 1)).max() < PLAIN:
        return None
    away = _away(small, _examples())
    which = np.unravel_index(int(np.minimum(away, FAR).mean(axis=-1).argmin()), away.shape[:3])
    nearest = away[which]
    bare = nearest < FAR / 2
    if float(np.minimum(nearest, FAR).mean()) > STRANGE * FAR or bare.sum() < FEW:
        return None
    return _measured(small.reshape(-1, 3)[bare], which, bare)


def _measured(seen: Floats, which: Sequence[np.intp], bare: NDArray[np.bool_]) -> Place | None:
    """The place of an example, with saturation and tint from those samples that show it bare."""
    index, step, seed = (int(one) for one in which)
    shown, norm = (_examples()[index, k, seed].T[bare] for k in (step, SATURATIONS.index(1.0)))
    saturation = _saturation(seen, norm, rough=SATURATIONS[step])
    if saturation < PALEST:
        return None
    gain = (seen * shown).sum(axis=0) / (shown**2).sum(axis=0)
    return Place(*places()[index], saturation, np.clip(gain, 0.8, 1.25).astype(np.float32))


def _saturation(shown: Floats, norm: Floats, *, rough: float) -> float:
    """The saturation between the grid's steps, from the chroma of the backdrop; the rough one where there is little."""
    shown, norm = (values - (values @ LUMA)[..., None] for values in (shown, norm))
    doubt = DIM**2 * len(norm)
    return float((shown * norm).sum() + doubt * rough) / float((norm**2).sum() + doubt)


def places() -> tuple[tuple[str, bool], ...]:
    return tuple((name, night) for name in SETTINGS for night in (False, True) if name != MAGIC or night)


def _away(small: Floats, examples: Floats) -> Floats:
    """Mean distance of the channels, of each sample from that of each example."""
    red, green, blue = (np.abs(examples[..., c, :] - small[..., c].ravel()) for c in range(3))
    return np.asarray((red + green + blue) / np.float32(3))


@lru_cache(maxsize=1)
def _examples() -> Floats:
    """Backdrops by place, saturation and seed, sampled coarsely, channels before samples."""
    pictures = [[_sampled(setting, night=night, seed=seed) for seed in range(8)] for setting, night in places()]
    levels = [[[saturated(one, saturation=by) for one in row] for by in SATURATIONS] for row in pictures]
    return np.moveaxis(np.array(levels, dtype=np.float32).reshape(len(levels), len(SATURATIONS), 8, -1, 3), -1, -2)


def _sampled(setting: str, *, night: bool, seed: int) -> Picture:
    picture = backdrop(setting, night=night, seed=seed, width=96, height=96)
    return np.asarray(Image.fromarray(picture).resize(SAMPLE, Image.Resampling.BOX))


@lru_cache(maxsize=64)
def palettes(setting: str, *, night: bool, height: int) -> Floats:
    """The colours a backdrop can have in each row."""
    rows = [
        backdrop(setting, night=night, seed=seed, width=height, height=height)[:, :: height // 6] for seed in range(6)
    ]
    return np.concatenate(rows, axis=1).astype(np.float32)


OTHER = 27.0  # levels away from every colour of the backdrop that make a pixel part of a thing


def solid(picture: Floats, place: Place) -> Floats:
    """1 for pixels that do not belong to the backdrop, else 0."""
    height = picture.shape[0] - 2 * MARGIN
    colours = palettes(place.setting, night=place.night, height=height)
    colours = np.pad(colours, ((MARGIN, MARGIN), (0, 0), (0, 0)), "edge")
    planes = [np.ascontiguousarray(picture[..., c]) for c in range(3)]
    other = np.ones(picture.shape[:2], dtype=bool)
    for k in range(colours.shape[1]):
        red, green, blue = (np.abs(plane - colours[:, k, c, None]) > OTHER for c, plane in enumerate(planes))
        other &= red | green | blue
    return other.astype(np.float32)


def plain(picture: Picture, place: Place) -> Floats:
    """The picture as it is read: small, softened as the views are, and in the colours as painted."""
    return _resaturated(_reduced(picture) / place.gain, place.saturation)


def _reduced(picture: Picture) -> Floats:
    """The picture at the size it is read in, with its edges repeated."""
    height, width = picture.shape[:2]
    scale = SHORT / min(height, width)
    size = (round(width * scale), round(height * scale))
    way = Image.Resampling.BOX if scale < 0.5 else Image.Resampling.BILINEAR
    small = Image.fromarray(picture).resize(size, way).filter(ImageFilter.GaussianBlur(BLUR))
    return np.pad(np.asarray(small).astype(np.float32), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")


def _resaturated(picture: Floats, saturation: float) -> Floats:
    """The colours as they were before saturation was applied."""
    grey = (picture @ LUMA)[..., None]
    return np.clip(grey + (picture - grey) / max(saturation, 0.3), 0, 255).astype(np.float32)

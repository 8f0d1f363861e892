"""How things look in a place, in every size and colour, and where in a picture they are seen best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fluxgate.miniature.drawing import LUMA, Picture
from fluxgate.miniature.places import BLUR, SHORT, Floats, Place, palettes, places
from fluxgate.miniature.scenes import AIRBORNE, COLOURS_OF, HEIGHTS, KINDS, MAGIC, NIGHTLY
from fluxgate.miniature.things import sprite

Waves = NDArray[np.complexfloating[Any, Any]]
Mask = NDArray[np.bool_]

STEP = 1.13  # between the sizes a thing is looked for in
FLAT = 0.6  # share of a view's own contrast below which a place is too pale to show it
# From RGB to brightness and two differences of hue, which weigh less: shapes are told by their ink.
HUE = 0.5
EYE = np.stack([LUMA, HUE * (np.array([1, 0, 0]) - LUMA), HUE * (np.array([0, 0, 1]) - LUMA)], axis=1).astype(
    np.float32
)
GLINTS = frozenset({"star", "firefly"})  # told apart by likeness alone
CLOTH = (226, 176, 166)  # behind a cup on a blanket, between the cloth's two colours
TURNING = frozenset({"fox", "rabbit", "teacup"})
TABLEWARE = 0.14  # height of the largest cup that stands on a blanket
# How alike a view and the picture must be, by kind.
LIKE: dict[str, float] = {**dict.fromkeys(KINDS, 0.6), "blanket": 0.5}
LIKE_ON_CLOTH = 0.66  # the squares of a blanket look a little like cups


@dataclass(frozen=True)
class View:
    kind: str
    colour: str
    tall: int
    turned: bool
    rgb: Floats
    weight: Floats
    body: Mask
    clothed: bool  # whether it was drawn before a blanket


@dataclass(frozen=True)
class Candidate:
    view: View
    row: int
    column: int
    likeness: float

    @property
    def merit(self) -> float:
        """Likeness, with larger things tried first: parts of a thing resemble smaller things."""
        size = 60.0 if self.view.kind in GLINTS else float(self.view.weight.sum())
        return self.likeness + 0.06 * log(size)


def patch_of(candidate: Candidate, picture: Floats) -> Floats:
    tall, wide = candidate.view.weight.shape
    return picture[candidate.row : candidate.row + tall, candidate.column : candidate.column + wide]


@lru_cache(maxsize=len(places()) * len(KINDS))
def views(kind: str, setting: str, *, night: bool) -> tuple[tuple[View, ...], ...]:
    """How a kind looks there in every size, each with all its colours; turned views too where it is drawn turned."""
    families = []
    for tall in _sizes(kind):
        for turned in (False, True) if kind in TURNING else (False,):
            colours = COLOURS_OF[kind]
            families.append(tuple(_view(kind, colour, tall, turned, setting, night) for colour in colours))
            if kind == "teacup" and setting == MAGIC and tall < TABLEWARE * SHORT:
                families.append(tuple(_view(kind, colour, tall, turned, None, night) for colour in colours))
    return tuple(families)


def _sizes(kind: str) -> tuple[int, ...]:
    low, high = HEIGHTS[kind][0] * 0.93 * SHORT, HEIGHTS[kind][-1] * 1.07 * SHORT
    if kind == "blanket":
        low, high = 0.16 * SHORT, 0.3 * SHORT
    steps = max(1, round(log(high / low) / log(STEP)))
    return tuple(sorted({round(low * (high / low) ** ((k + 0.5) / steps)) for k in range(steps)}))


def _view(kind: str, colour: str, tall: int, turned: bool, setting: str | None, night: bool) -> View:
    """A thing before the backdrop it would stand before (a blanket, if None), of which a rim belongs to the view."""
    pad = 2
    thing = sprite(kind, colour, tall=tall, turned=turned, night=night)
    size = (tall + 2 * pad, thing.width + 2 * pad)
    picture = Image.fromarray(_behind(kind, size, setting, night=night))
    picture.paste(thing, (pad, pad), thing)
    alpha = Image.fromarray(np.pad(np.asarray(thing)[..., 3], pad))
    rim = alpha.filter(ImageFilter.MaxFilter(3)) if setting else alpha
    weight = (np.asarray(rim) / 255).astype(np.float32)
    rgb = np.asarray(picture.filter(ImageFilter.GaussianBlur(BLUR))).astype(np.float32)
    return View(kind, colour, tall, turned, rgb, weight, np.asarray(alpha) > 127, setting is None)


def _behind(kind: str, size: tuple[int, int], setting: str | None, *, night: bool) -> Picture:
    """The mean colours of the rows in which such a thing usually is."""
    tall, wide = size
    if setting is None:
        return np.full((tall, wide, 3), CLOTH, dtype=np.uint8)
    rows = palettes(setting, night=night, height=SHORT).mean(axis=1)
    middle = 0.3 if kind in AIRBORNE else 0.85 - tall / SHORT / 2
    chosen = rows[np.clip(np.arange(tall) + int(middle * SHORT) - tall // 2, 0, SHORT - 1)]
    return np.repeat(chosen[:, None], wide, axis=1).astype(np.uint8)


def family_of(view: View, place: Place) -> tuple[View, ...]:
    families = views(view.kind, place.setting, night=place.night)
    return next(family for family in families if any(one is view for one in family))


def candidates(picture: Floats, place: Place) -> Iterator[Candidate]:
    """Every place where a view resembles the picture better than around it."""
    spectra = _Spectra(picture)
    for kind in KINDS:
        if kind in NIGHTLY and not place.night:
            continue
        for family in views(kind, place.setting, night=place.night):
            yield from _matches(spectra, family)


class _Spectra:
    """The picture's Fourier transforms, against which any view is correlated at once in every place."""

    def __init__(self, picture: Floats) -> None:
        self.shape = picture.shape[:2]
        self.size = tuple(_smooth(n) for n in self.shape)
        seen = (picture @ EYE).astype(np.float32)
        self.channels = [np.fft.rfft2(seen[..., c], s=self.size) for c in range(3)]
        self.squares = np.fft.rfft2((seen**2).sum(axis=-1), s=self.size)

    def of(self, kernel: Floats) -> Waves:
        rows = np.fft.rfft(kernel, n=self.size[1], axis=1)  # the kernel's few rows only: the rest is zero
        return np.asarray(np.conj(np.fft.fft(rows, n=self.size[0], axis=0)))

    def back(self, waves: Waves, kernel: Floats) -> Floats:
        """The correlation at every offset where the kernel lies inside the picture."""
        rows, columns = (n - k + 1 for n, k in zip(self.shape, kernel.shape, strict=True))
        return np.fft.irfft2(waves, s=self.size)[:rows, :columns].astype(np.float32)


def _smooth(length: int) -> int:
    """The next length without prime factors above 5, for which Fourier transforms are fast."""
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 1


def _matches(spectra: _Spectra, family: tuple[View, ...]) -> Iterator[Candidate]:
    weight = family[0].weight
    if any(k > n for k, n in zip(weight.shape, spectra.shape, strict=True)):
        return
    wave = spectra.of(weight)
    total = float(weight.sum())
    sums = [spectra.back(channel * wave, weight) for channel in spectra.channels]
    squares = spectra.back(spectra.squares * wave, weight)
    spread = np.sqrt(np.maximum(squares - (sums[0] ** 2 + sums[1] ** 2 + sums[2] ** 2) / total, 1e-3))
    maps = np.stack([_likeness(spectra, view, spread) for view in family])
    best = maps.max(axis=0)
    least = LIKE_ON_CLOTH if family[0].clothed else LIKE[family[0].kind]
    for row, column in zip(*np.nonzero(_peaks(best) & (best > least)), strict=True):
        view = family[int(maps[:, row, column].argmax())]
        yield Candidate(view, int(row), int(column), float(best[row, column]))


def _likeness(spectra: _Spectra, view: View, spread: Floats) -> Floats:
    """Correlation in every place; places much paler than the view itself are marked down."""
    seen = view.rgb @ EYE
    centred = seen - (seen * view.weight[..., None]).sum(axis=(0, 1)) / view.weight.sum()
    norm = float(np.sqrt((centred**2 * view.weight[..., None]).sum()))
    weighed = centred * view.weight[..., None]
    red, green, blue = (spectra.channels[c] * spectra.of(weighed[..., c]) for c in range(3))
    likeness = spectra.back(red + green + blue, view.weight) / (norm * np.maximum(spread, FLAT * norm))
    return likeness.astype(np.float32)


def _peaks(values: Floats) -> Mask:
    """Where a value is no less than its eight neighbours."""
    padded = np.pad(values, 1, constant_values=-2.0)
    rows, columns = values.shape
    peak = np.ones(values.shape, dtype=bool)
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            peak &= values >= padded[dy : dy + rows, dx : dx + columns]
    return peak

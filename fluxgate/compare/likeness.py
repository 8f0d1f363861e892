"""Likeness: how far two pictures are apart, by measures that each see what another is blind to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from fluxgate.compare.measures import (
    CHANGED,
    COLOUR,
    FLIP,
    GAIN,
    MAXIMUM_DIFFERENCE,
    MEAN_DIFFERENCE,
    SHIFT,
    SSIM,
    brightness_gain,
    colour_shift,
    displacement,
)
from fluxgate.pictures import Pixels, rgb

SMALLEST_EDGE = 11  # pixels: the window that SSIM looks through
COARSE = 128  # pixels along the longer edge, at the least
FLAT = 4  # levels of 255: a picture whose channels spread less than this shows nothing
ORDINARY = 0.005  # share of the pixels at either end that does not count towards the spread


@dataclass(frozen=True)
class Likeness:
    """What was measured between an expected and an actual picture of one shape and mode."""

    ssim: float  # 1 is identical
    flip: float  # 0 is identical
    mean_difference: float  # levels of 255
    max_difference: float
    changed_share: float  # of the pixels
    gain: float
    colour: float  # levels of 255
    shift: float  # pixels

    @property
    def identical(self) -> bool:
        return self.max_difference == 0

    def measures(self) -> dict[str, float]:
        """The same numbers under the names that limits use."""
        return {
            SSIM: self.ssim,
            FLIP: self.flip,
            MEAN_DIFFERENCE: self.mean_difference,
            MAXIMUM_DIFFERENCE: self.max_difference,
            CHANGED: self.changed_share,
            GAIN: self.gain,
            COLOUR: self.colour,
            SHIFT: self.shift,
        }


IDENTICAL = Likeness(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def likeness_of(expected: Pixels, actual: Pixels) -> Likeness:
    """Every measure of two pictures that `mismatch` has nothing to say about."""
    if np.array_equal(expected, actual):
        return IDENTICAL
    gap = np.abs(expected.astype(np.int16) - actual.astype(np.int16))
    changed = gap if gap.ndim == 2 else gap.max(axis=2)
    return Likeness(
        ssim=similarity(expected, actual),
        flip=float(flip_map(expected, actual).mean()),
        mean_difference=float(gap.mean()),
        max_difference=float(gap.max()),
        changed_share=float((changed > 0).mean()),
        gain=brightness_gain(expected, actual),
        colour=colour_shift(expected, actual),
        shift=displacement(expected, actual) if min(expected.shape[:2]) >= 3 else 0.0,
    )


def similarity(expected: Pixels, actual: Pixels) -> float:
    """SSIM as its authors defined it: Gaussian windows, all channels alike."""
    from skimage.metrics import structural_similarity

    one, other = _enlarged(expected), _enlarged(actual)
    channels = None if one.ndim == 2 else 2
    return float(
        structural_similarity(
            one, other, channel_axis=channels, data_range=255, gaussian_weights=True, use_sample_covariance=False
        )
    )


def coarse(pixels: Pixels) -> Pixels:
    """The picture small, for questions that its finer strokes do not decide."""
    height, width = pixels.shape[:2]
    by = max(1, max(height, width) // COARSE)
    tall, wide = height // by * by, width // by * by
    if by == 1 or not tall or not wide:
        return pixels
    blocks = pixels[:tall, :wide].reshape(tall // by, by, wide // by, by, -1).mean(axis=(1, 3)).astype(np.uint8)
    small: Pixels = blocks if pixels.ndim == 3 else blocks[..., 0]
    return small


def flip_map(expected: Pixels, actual: Pixels) -> npt.NDArray[np.float32]:
    """Where a viewer who flips between the two pictures sees them differ, from 0 to 1."""
    import flip_evaluator

    one, other = _coloured(expected), _coloured(actual)
    errors, _, _ = flip_evaluator.evaluate(one, other, "LDR", applyMagma=False, computeMeanError=False)
    return np.asarray(errors, dtype=np.float32)[..., 0]


def first_change(expected: Pixels, actual: Pixels) -> tuple[int, int] | None:
    """Row and column of the first pixel that differs."""
    changed = expected != actual
    rows, columns = np.nonzero(changed if changed.ndim == 2 else changed.any(axis=2))
    return (int(rows[0]), int(columns[0])) if rows.size else None


def mismatch(expected: Pixels, actual: Pixels) -> str | None:
    """Why two pictures cannot be compared at all, in words."""
    one, other = _mode(expected), _mode(actual)
    if one != other:
        return f"is {other} where {one} is due"
    if expected.shape[:2] != actual.shape[:2]:
        return f"is {_size(actual)} where {_size(expected)} is due"
    return None


def blankness(pixels: Pixels) -> str | None:
    """'black', 'white', 'grey' or one colour, for a picture that shows nothing else; None for one that does."""
    levels = pixels.reshape(pixels.shape[0] * pixels.shape[1], -1)[:, :3]
    low, high = np.quantile(levels, (ORDINARY, 1 - ORDINARY), axis=0)
    if float((high - low).max()) >= FLAT:
        return None
    return _colour_name(np.median(levels, axis=0))


def worst(likenesses: Iterable[Likeness]) -> Likeness:
    """The worst value of each measure over several pictures."""
    columns = _columns(likenesses)
    return Likeness(*(min(column) if name == "ssim" else max(column) for name, column in columns.items()))


def average(likenesses: Iterable[Likeness]) -> Likeness:
    """The mean of each measure over several pictures."""
    return Likeness(*(fmean(column) for column in _columns(likenesses).values()))


def _columns(likenesses: Iterable[Likeness]) -> dict[str, list[float]]:
    every = tuple(likenesses)
    return {name: [getattr(one, name) for one in every] for name in Likeness.__dataclass_fields__}


def _enlarged(pixels: Pixels) -> Pixels:
    """A picture smaller than SSIM's window, with each pixel repeated until it is not."""
    times = -(-SMALLEST_EDGE // min(pixels.shape[:2]))
    return pixels if times == 1 else pixels.repeat(times, axis=0).repeat(times, axis=1)


def _coloured(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Three channels from 0 to 1, which is what FLIP takes; transparency is left out."""
    return rgb(pixels).astype(np.float32) / np.float32(255)


def _mode(pixels: Pixels) -> str:
    return "L" if pixels.ndim == 2 else {3: "RGB", 4: "RGBA"}.get(pixels.shape[2], f"{pixels.shape[2]} channels")


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[1]}×{pixels.shape[0]}"


def _colour_name(colour: npt.NDArray[np.float64]) -> str:
    if float(colour.max() - colour.min()) >= FLAT:
        return "of one colour, RGB " + " ".join(f"{level:.0f}" for level in colour)
    brightness = float(colour.mean())
    return "black" if brightness < FLAT else "white" if brightness > 255 - FLAT else "grey"

"""Measures between two pictures: the names of all, and those of brightness, colour and displacement."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fluxgate.pictures import Pixels

SSIM = "ssim"  # structural similarity over the colour channels, 1 is identical
FLIP = "flip"  # mean of the FLIP error map, 0 is identical
MEAN_DIFFERENCE = "mean difference"  # mean absolute difference, in levels of 255
MAXIMUM_DIFFERENCE = "maximum difference"  # in levels of 255
CHANGED = "changed pixels"  # share of the pixels in which any channel differs
GAIN = "gain"  # by how much the least-squares brightness factor leaves 1
COLOUR = "colour shift"  # the largest mean signed difference of a channel, in levels of 255
SHIFT = "shift"  # length of the displacement that best explains the difference, in pixels
MEASURES = (SSIM, FLIP, MEAN_DIFFERENCE, MAXIMUM_DIFFERENCE, CHANGED, GAIN, COLOUR, SHIFT)

FINEST = 0.001  # pixels; one level in 0.6% of the pixels, the same picture by a GPU and a CPU, came to 0.00004


def brightness_gain(expected: Pixels, actual: Pixels) -> float:
    """By how much the factor that best turns the expected picture into the actual one leaves 1."""
    before, after = _flat(expected), _flat(actual)
    power = float(before @ before)
    return abs(float(before @ after) / power - 1.0) if power else float(after.any())


def colour_shift(expected: Pixels, actual: Pixels) -> float:
    """The largest mean signed difference of a channel, in levels of 255."""
    difference = actual.astype(np.float64) - expected.astype(np.float64)
    return float(np.abs(difference.mean(axis=(0, 1))).max())


def displacement(expected: Pixels, actual: Pixels) -> float:
    """Length in pixels of the one shift of the whole picture that explains the difference best, by least squares.

    What is shorter than a thousandth of a pixel is how levels were rounded, and no shift."""
    before, after = _grey(expected), _grey(actual)
    between = (before + after) / 2
    down = (between[2:, 1:-1] - between[:-2, 1:-1]) / 2
    right = (between[1:-1, 2:] - between[1:-1, :-2]) / 2
    slopes = np.stack([down.ravel(), right.ravel()], axis=1)
    moved, *_ = np.linalg.lstsq(slopes, (before - after)[1:-1, 1:-1].ravel(), rcond=None)
    length = float(np.hypot(*moved))
    return length if length >= FINEST else 0.0


def _flat(pixels: Pixels) -> npt.NDArray[np.float64]:
    return pixels.astype(np.float64).ravel()


def _grey(pixels: Pixels) -> npt.NDArray[np.float64]:
    values = pixels.astype(np.float64)
    return values if values.ndim == 2 else values[..., :3].mean(axis=2)

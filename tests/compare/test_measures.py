"""Brightness, colour and displacement: each sees its own defect and is quiet about the others."""

from __future__ import annotations

import numpy as np
import pytest

from fluxgate.compare.measures import brightness_gain, colour_shift, displacement
from fluxgate.miniature import drawing, sampling
from fluxgate.pictures import Pixels


@pytest.fixture(scope="module")
def scene() -> Pixels:
    drawn = drawing.draw(sampling.sample(np.random.default_rng(3)), width=128, height=128)
    return np.asarray(drawn)


def shaken(scene: Pixels, *, by: float) -> Pixels:
    """The scene with unbiased noise on it, as rounding elsewhere makes it."""
    noise = np.random.default_rng(1).normal(0, by, scene.shape)
    return np.clip(np.rint(scene + noise), 0, 255).astype(np.uint8)


def test_an_identical_picture_measures_nothing(scene: Pixels) -> None:
    """All three are exactly 0."""
    assert (brightness_gain(scene, scene), colour_shift(scene, scene), displacement(scene, scene)) == (0, 0, 0)


def test_two_percent_of_brightness_are_measured(scene: Pixels) -> None:
    """A picture 2% brighter has a gain near 0.02, and noise has none."""
    brighter = np.minimum(np.rint(scene * 1.02), 255).astype(np.uint8)
    assert brightness_gain(scene, brighter) == pytest.approx(0.02, abs=0.003)
    assert brightness_gain(scene, shaken(scene, by=4)) < 0.004


@pytest.mark.parametrize("axis", [0, 1])
def test_one_row_or_column_is_measured(scene: Pixels, axis: int) -> None:
    """A shift by one pixel measures about one pixel, and noise a hundredth of it."""
    assert displacement(scene, np.roll(scene, 1, axis=axis)) == pytest.approx(1, abs=0.5)
    assert displacement(scene, shaken(scene, by=4)) < 0.02


def test_rounding_is_no_shift(scene: Pixels) -> None:
    """One level more or less in a hundredth of the pixels is not; a fiftieth of a row is."""
    rng = np.random.default_rng(2)
    steps = rng.choice([-1, 0, 1], size=scene.shape, p=[0.005, 0.99, 0.005])
    assert displacement(scene, np.clip(scene + steps, 0, 255).astype(np.uint8)) == 0
    between = np.rint(0.98 * scene + 0.02 * np.roll(scene, 1, axis=0)).astype(np.uint8)
    assert displacement(scene, between) == pytest.approx(0.02, abs=0.01)


def test_a_tinted_channel_is_measured(scene: Pixels) -> None:
    """Five levels more of one channel are five levels, whichever channel it is."""
    for channel in range(3):
        tinted = np.minimum(scene, 250)
        expected = tinted.copy()
        tinted[..., channel] += 5
        assert colour_shift(expected, tinted) == 5


def test_swapped_channels_shift_the_colour(scene: Pixels) -> None:
    """Red for blue leaves the brightness and moves the channels."""
    assert colour_shift(scene, scene[..., ::-1]) > 5


def test_black_and_grey_pictures_are_measured_too(scene: Pixels) -> None:
    """Nothing divides by nothing: from black any light is a gain of 1, and one-channel pictures work."""
    black = np.zeros_like(scene)
    assert brightness_gain(black, scene) == 1
    assert brightness_gain(black, black) == 0
    assert displacement(black, black) == 0
    assert displacement(scene[..., 0], np.roll(scene[..., 0], 1, axis=0)) == pytest.approx(1, abs=0.5)

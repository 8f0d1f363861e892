"""Tests of the measures between two pictures."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fluxgate.compare import likeness
from fluxgate.compare.likeness import IDENTICAL, likeness_of
from fluxgate.compare.measures import MEASURES
from fluxgate.pictures import Pixels

rgb = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20).flatmap(
    lambda shape: st.tuples(*[arrays(np.uint8, (*shape, 3)) for _ in range(2)])
)
modest = settings(max_examples=40, deadline=None)


def smooth(seed: int = 0, size: int = 64) -> Pixels:
    """A picture of soft shapes."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 226, (size // 8, size // 8, 3)).astype(np.float64)
    large = coarse.repeat(8, axis=0).repeat(8, axis=1)
    for axis in (0, 1):
        large = np.mean([np.roll(large, shift, axis) for shift in range(-3, 4)], axis=0)
    return large.astype(np.uint8)


@modest
@given(rgb)
def test_measures_are_bounded_and_known_to_limits(pair: tuple[Pixels, Pixels]) -> None:
    """Whatever two pictures show, every measure is a finite number in its range, under the name that limits use."""
    found = likeness_of(*pair)
    assert tuple(found.measures()) == MEASURES
    assert all(np.isfinite(value) for value in found.measures().values())
    assert -1 <= found.ssim <= 1
    assert 0 <= found.flip <= 1
    assert 0 <= found.changed_share <= 1
    assert 0 <= found.mean_difference <= found.max_difference <= 255


@modest
@given(rgb)
def test_differences_are_the_same_both_ways(pair: tuple[Pixels, Pixels]) -> None:
    """Which of two pictures was expected makes no difference to how far they are apart."""
    one, other = likeness_of(*pair), likeness_of(*reversed(pair))
    for name in ("ssim", "flip", "mean_difference", "max_difference", "changed_share", "colour", "shift"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-5), name


@modest
@given(rgb)
def test_a_picture_is_identical_to_itself_and_to_nothing_else(pair: tuple[Pixels, Pixels]) -> None:
    """Only the same pixels are identical."""
    one, other = pair
    assert likeness_of(one, one.copy()) == IDENTICAL
    assert likeness_of(one, other).identical == np.array_equal(one, other)


def test_one_changed_level_of_one_pixel_is_seen() -> None:
    """The smallest possible change is told in every number that can hold it."""
    one = smooth()
    other = one.copy()
    other[5, 7, 1] += 1
    found = likeness_of(one, other)
    assert (found.max_difference, found.changed_share) == (1.0, 1 / 64**2)
    assert likeness.first_change(one, other) == (5, 7)
    assert not found.identical


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_every_mode_that_can_be_read_can_be_compared(mode: str) -> None:
    """Grey and transparent pictures are measured like coloured ones."""
    rng = np.random.default_rng(3)
    shape = {"L": (32, 32), "RGB": (32, 32, 3), "RGBA": (32, 32, 4)}[mode]
    one = rng.integers(0, 256, shape, dtype=np.uint8)
    found = likeness_of(one, 255 - one)
    assert found.ssim < 0.1
    assert found.changed_share == 1


@pytest.mark.parametrize("size", [1, 2, 3, 10, 11, 12])
def test_pictures_smaller_than_the_window_are_measured(size: int) -> None:
    """SSIM's window of eleven pixels is no lower bound on what can be compared."""
    rng = np.random.default_rng(size)
    one = rng.integers(0, 256, (size, 40, 3), dtype=np.uint8)
    assert likeness_of(one, 255 - one).ssim < 0.5


@pytest.mark.parametrize(
    ("control", "measure", "least"),
    [
        (lambda p: np.roll(p, 1, axis=0), "shift", 0.5),
        (lambda p: np.clip(p * 1.02, 0, 255).astype(np.uint8), "gain", 0.015),
        (lambda p: p[..., ::-1], "colour", 1.0),
        (lambda p: p[:, ::-1], "flip", 0.1),
        (lambda p: np.full_like(p, 128), "flip", 0.1),
    ],
    ids=["shifted by a row", "brighter by 2%", "red and blue swapped", "mirrored", "grey"],
)
def test_each_control_stands_out_in_some_measure(
    control: Callable[[Pixels], Pixels], measure: str, least: float
) -> None:
    """What SSIM hardly sees, another measure does."""
    one = smooth(1)
    assert getattr(likeness_of(one, np.ascontiguousarray(control(one))), measure) > least


def test_pictures_of_other_shape_or_mode_are_told_in_words() -> None:
    """A mismatch names what was due and what was found."""
    one = np.zeros((4, 6, 3), np.uint8)
    assert likeness.mismatch(one, one) is None
    assert likeness.mismatch(one, np.zeros((6, 4, 3), np.uint8)) == "is 4×6 where 6×4 is due"
    assert likeness.mismatch(one, np.zeros((4, 6, 4), np.uint8)) == "is RGBA where RGB is due"
    assert likeness.mismatch(one, np.zeros((4, 6), np.uint8)) == "is L where RGB is due"


@pytest.mark.parametrize(
    ("level", "word"),
    [
        (0, "black"),
        (3, "black"),
        (4, "grey"),
        (128, "grey"),
        (251, "grey"),
        (252, "white"),
        (255, "white"),
        ((100, 100, 103), "grey"),
        ((100, 100, 104), "of one colour, RGB 100 100 104"),
        ((200, 30, 30), "of one colour, RGB 200 30 30"),
    ],
)
def test_a_picture_of_one_colour_is_blank(level: object, word: str) -> None:
    """A picture that shows nothing is named after its colour."""
    assert likeness.blankness(np.full((20, 20, 3), level, np.uint8)) == word


def test_transparency_alone_shows_nothing() -> None:
    """A picture of any shape is blank where its colours are."""
    rng = np.random.default_rng(0)
    levels = np.dstack([np.full((20, 30, 3), 128, np.uint8), rng.integers(0, 256, (20, 30), dtype=np.uint8)])
    assert likeness.blankness(levels) == "grey"


def test_a_blank_picture_may_have_odd_pixels_and_faint_noise() -> None:
    """Noise below four levels, and a few stray pixels, do not make a picture; four levels do."""
    rng = np.random.default_rng(0)
    faint = (128 + rng.integers(0, likeness.FLAT, (50, 50, 3))).astype(np.uint8)
    faint[0, 0] = 255
    assert likeness.blankness(faint) == "grey"
    half = np.full((50, 50, 3), 128, np.uint8)
    half[:25] += likeness.FLAT
    assert likeness.blankness(half) is None
    assert likeness.blankness(smooth()) is None
    assert likeness.blankness(smooth()[..., 0]) is None


def test_ssim_is_what_its_authors_defined() -> None:
    """Where the window of eleven pixels fits once, by a Gaussian of 1.5 pixels; the mean of the channels."""
    rng = np.random.default_rng(5)
    one, other = (rng.integers(0, 256, (11, 11, 3)).astype(np.uint8) for _ in range(2))
    bell = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(bell, bell)[..., None] / bell.sum() ** 2

    def mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray((weights * values).sum(axis=(0, 1)))

    x, y = one.astype(np.float64), other.astype(np.float64)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    spreads = mean(x * x) - mean(x) ** 2 + mean(y * y) - mean(y) ** 2
    alike = (2 * mean(x) * mean(y) + c1) * (2 * (mean(x * y) - mean(x) * mean(y)) + c2)
    expected = alike / ((mean(x) ** 2 + mean(y) ** 2 + c1) * (spreads + c2))
    assert likeness.similarity(one, other) == pytest.approx(float(expected.mean()), abs=1e-6)


@pytest.mark.parametrize(("rows", "measured"), [(1, False), (2, False), (3, True)])
def test_a_shift_is_measured_from_three_pixels_on(rows: int, measured: bool) -> None:
    """A slope takes a pixel on either side."""
    one = smooth()[:rows]
    assert (likeness_of(one, np.roll(one, 1, axis=1)).shift > 0) is measured


def test_worst_and_average_go_measure_by_measure() -> None:
    """The worst SSIM is the lowest, of all else the highest; the average is the mean."""
    one, other = likeness_of(smooth(0), smooth(1)), IDENTICAL
    assert likeness.worst([one, other]) == one
    assert likeness.average([one, other]).ssim == pytest.approx((one.ssim + 1) / 2)


@pytest.mark.parametrize(
    ("shape", "small"),
    [
        ((300, 520, 3), (75, 130, 3)),
        ((100, 100, 3), (100, 100, 3)),
        ((256, 256), (128, 128)),
        ((1, 900, 4), (1, 900, 4)),
    ],
)
def test_a_coarse_picture_is_small_and_alike(shape: tuple[int, ...], small: tuple[int, ...]) -> None:
    """Whole blocks are averaged; what is small already stays."""
    pixels = np.full(shape, 100, np.uint8)
    pixels[:, : shape[1] // 2] = 50
    found = likeness.coarse(pixels)
    assert found.shape == small
    assert abs(float(found.mean()) - float(pixels.mean())) < 1

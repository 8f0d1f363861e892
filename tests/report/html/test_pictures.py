"""Tests of the pictures of a page: how small they are, and what they still show."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from fluxgate.compare.facts import Source
from fluxgate.pictures import Pixels, hash_of, write_png
from fluxgate.report.html.pictures import EDGE, Printed, Whole, apart, gap_of, printed, printed_difference, printed_map

GREY = np.full((40, 60, 3), 128, dtype=np.uint8)


def source(pixels: Pixels, path: Path = Path("no")) -> Source:
    return Source(hash_of(pixels), path, lambda: pixels)


def shown(print_: Printed) -> Pixels:
    """The pixels of what lies within the page."""
    data = base64.b64decode(print_.address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def spotted(row: int, column: int, *, by: int = 100, size: int = 40) -> Pixels:
    """A grey picture with a square of five pixels that is not."""
    pixels = np.full((size, size + 20, 3), 128, dtype=np.uint8)
    pixels[row : row + 5, column : column + 5] += np.uint8(by)
    return pixels


def test_the_worst_spot_is_where_most_differs() -> None:
    """Its middle lies in the square that was changed, though a single pixel elsewhere differs more."""
    actual = spotted(20, 33, by=90)
    actual[2, 2] = 255
    found = apart(GREY, actual, gap_of(GREY, actual))
    assert 33 <= found.spot[0] < 38
    assert 20 <= found.spot[1] < 25
    assert (found.most, found.reach) == (127, 5)
    assert found.changed == 26 / 2400


def test_a_large_picture_is_small_within_the_page() -> None:
    """Its longer edge has 256 pixels there, and the page knows how large it is."""
    large = np.zeros((600, 1200, 3), dtype=np.uint8)
    print_ = printed(source(large), large)
    assert shown(print_).shape == (128, EDGE, 3)
    assert (print_.width, print_.height) == (1200, 600)
    assert print_.file is not None


def test_a_whole_picture_is_the_file_itself(tmp_path: Path) -> None:
    """To the byte."""
    write_png(tmp_path / "a.png", GREY)
    print_ = printed(source(GREY, tmp_path / "a.png"), GREY, whole=Whole.WITHIN)
    assert base64.b64decode(print_.address.partition(",")[2]) == (tmp_path / "a.png").read_bytes()
    assert print_.file is None


def test_a_tiny_picture_loses_nothing() -> None:
    """Sixteen pixels are shown as they are."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert np.array_equal(shown(printed(source(noise), noise)), noise)


def test_a_grey_picture_and_a_transparent_one_are_shown() -> None:
    """All modes that a run may have."""
    for pixels in (GREY[..., 0], np.dstack([GREY, GREY[..., 0]])):
        assert shown(printed(source(pixels), pixels)).shape[:2] == (40, 60)


def test_a_faint_difference_is_amplified_until_it_is_seen() -> None:
    """One level of 255 is shown 64 times as strong, a strong difference as it is."""
    faint, gain = printed_difference(source(GREY), source(GREY), gap_of(GREY, GREY + np.uint8(1)))
    assert (gain, int(shown(faint).max())) == (64, 64)
    assert printed_difference(source(GREY), source(GREY), gap_of(GREY, GREY - np.uint8(128)))[1] == 1


def test_a_single_pixel_of_a_large_picture_stays_visible() -> None:
    """Reducing takes the largest difference, not the mean."""
    large, other = np.zeros((2, 1024, 1024, 3), dtype=np.uint8)
    other[700, 300] = 200
    print_, _ = printed_difference(source(large), source(other), gap_of(large, other))
    assert shown(print_)[175, 75].max() > 100


def test_a_map_is_dark_where_nothing_differs_and_light_where_much_does() -> None:
    """FLIP, in colours that grow lighter."""
    actual = spotted(20, 33, by=120)
    pixels = shown(printed_map(source(GREY), source(actual), one=GREY, other=actual))
    assert int(pixels[5, 5].sum()) < 60 < int(pixels[22, 35].sum())

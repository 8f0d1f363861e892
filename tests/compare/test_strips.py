"""Tests of the drawing of pictures side by side."""

import numpy as np

from fluxgate.compare.strips import AMPLIFIED, GAP, PAPER, SEEN, TITLE, columns, side_by_side
from fluxgate.pictures import Pixels
from tests.runs.building import pixels


def changed_in_a_corner(picture: Pixels) -> Pixels:
    other = picture.copy()
    other[:4, :4] = 255 - other[:4, :4]
    return other


def test_a_difference_has_four_columns() -> None:
    """Both pictures as they are; where it is seen and where it lies are black where nothing differs."""
    old = pixels(0)
    new = changed_in_a_corner(old)
    drawn = columns(old, new)
    assert list(drawn) == ["expected", "actual", SEEN, AMPLIFIED]
    expected, actual, seen, amplified = drawn.values()
    assert expected is not None
    assert np.array_equal(expected, old)
    assert actual is not None
    assert np.array_equal(actual, new)
    assert seen is not None
    assert seen[1, 1].max() > 100
    assert amplified is not None
    assert (amplified[:4, :4].max(), amplified[4:].max()) == (255, 0)


def test_pictures_of_another_size_have_no_difference() -> None:
    """Nor has a picture of which nothing was expected."""
    for expected in (pixels(0, size=20), None):
        drawn = columns(expected, pixels(1))
        assert (drawn[SEEN], drawn[AMPLIFIED]) == (None, None)
        assert drawn["actual"] is not None


def test_grey_and_transparent_pictures_are_drawn_in_colour() -> None:
    """The mode is another check's question."""
    colour = pixels(0)
    for other in (colour[..., 0], np.dstack([colour, colour[..., :1]])):
        drawn = columns(colour, other)
        assert all(one is not None and one.shape == colour.shape for one in drawn.values())


def test_rows_stand_below_each_other() -> None:
    """Each picture is found in its column and row, and a missing one leaves its place empty."""
    old, new = pixels(0), changed_in_a_corner(pixels(0))
    page = side_by_side([columns(old, new), columns(None, new)])
    second, column = TITLE + 16 + GAP, GAP + 16 + GAP
    assert np.array_equal(page[TITLE : TITLE + 16, GAP : GAP + 16], old)
    assert np.array_equal(page[TITLE : TITLE + 16, column : column + 16], new)
    assert (page[second : second + 16, GAP : GAP + 16] == PAPER).all()
    assert np.array_equal(page[second : second + 16, column : column + 16], new)
    assert page.shape == (TITLE + 2 * (16 + GAP), GAP + 4 * (16 + GAP), 3)


def test_a_difference_is_stretched_to_full_contrast() -> None:
    """However small it is; half of it is half as bright."""
    old = np.full((16, 16, 3), 100, np.uint8)
    new = old.copy()
    new[0], new[1] = 102, 101
    amplified = columns(old, new)[AMPLIFIED]
    assert amplified is not None
    assert (amplified[0].min(), amplified[1].min(), amplified[2:].max()) == (255, 128, 0)
    new[0] = 100
    least = columns(old, new)[AMPLIFIED]
    assert least is not None
    assert (least[1].min(), least[2:].max()) == (255, 0)


def test_a_row_is_as_high_as_its_pictures() -> None:
    """Whatever their width; one row is a page, too."""
    wide = pixels(0)[:10]
    page = side_by_side([columns(wide, wide)])
    assert page.shape == (TITLE + 10 + GAP, GAP + 4 * (16 + GAP), 3)

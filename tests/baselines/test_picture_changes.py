"""Pictures that change: which they are, how they are told, and how they are drawn for a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fluxgate.baselines import picture_changes as changes
from fluxgate.baselines.picture_changes import PictureChange
from fluxgate.compare.facts import Facts, Source
from fluxgate.compare.strips import AMPLIFIED, GAP, PAPER, TITLE
from fluxgate.pictures import Pixels, hash_of, read_png
from tests.runs.building import pixels


def shown(picture: Pixels) -> Source:
    """A picture that is read from memory."""
    return Source(hash_of(picture), Path("a.png"), lambda: picture)


def change(old: Pixels | None, new: Pixels) -> PictureChange:
    return PictureChange("fox", 0, None if old is None else shown(old), shown(new))


def nudged(old: Pixels) -> Pixels:
    """Two pixels of 256 that differ, by 7 levels and by 1."""
    new = old.copy()
    new[3, 5] = np.where(old[3, 5] > 100, old[3, 5] - 7, old[3, 5] + 7)
    new[9, 2, 0] ^= 1
    return new


def test_what_is_not_among_the_accepted_pictures_changes() -> None:
    """By the hashes alone; the one accepted last is what a change is seen beside."""
    first, last, other = (shown(pixels(seed)) for seed in range(3))
    accepted = Facts(pictures={("fox", 0): (first, last), ("pair", 0): (first,)})
    rendered = Facts(pictures={("fox", 0): (first,), ("pair", 0): (other,), ("pair", 1): (other,)})
    assert changes.picture_changes(accepted, rendered) == (
        PictureChange("pair", 0, first, other),
        PictureChange("pair", 1, None, other),
    )
    (found,) = changes.picture_changes(accepted, Facts(pictures={("fox", 0): (other,)}))
    assert found.old == last


def test_a_change_says_how_many_pixels_by_how_much_and_where() -> None:
    """The first row and column that differ are named."""
    said = "picture 0 of shot 'fox' differs in 0.78% of its pixels by at most 7/255, first at row 3, column 5"
    assert change(pixels(0), nudged(pixels(0))).line() == said


@pytest.mark.parametrize(
    "old, new, said",
    [
        (None, pixels(0), "picture 0 of shot 'fox' is new"),
        (pixels(0), pixels(0, size=8), "picture 0 of shot 'fox' is 8×8 where 16×16 is due"),
        (pixels(0)[..., 0], pixels(0), "picture 0 of shot 'fox' is RGB where L is due"),
        (pixels(0)[..., 0], pixels(1)[..., 0], "picture 0 of shot 'fox' differs in 100% of its pixels by at most "),
    ],
)
def test_what_cannot_be_compared_says_why(old: Pixels | None, new: Pixels, said: str) -> None:
    """Nothing was accepted, or another size or mode was; grey pictures are compared like coloured ones."""
    assert change(old, new).line().startswith(said)


def test_old_new_and_difference_stand_side_by_side(tmp_path: Path) -> None:
    """Each in its column, the difference at full contrast; a missing old picture leaves its place empty."""
    old, new = pixels(0), nudged(pixels(0))
    changes.draw([change(old, new), change(None, new)], tmp_path / "page.png")
    page = read_png(tmp_path / "page.png")
    columns = [slice(GAP + place * (16 + GAP), GAP + place * (16 + GAP) + 16) for place in range(3)]
    first, second = slice(TITLE, TITLE + 16), slice(TITLE + 16 + GAP, TITLE + 32 + GAP)
    assert np.array_equal(page[first, columns[0]], old)
    assert np.array_equal(page[first, columns[1]], new)
    difference = page[first, columns[2]]
    assert difference[3, 5].min() == 255
    assert difference[:3].max() == 0
    assert (page[second, columns[0]] == PAPER).all()
    assert np.array_equal(page[second, columns[1]], new)
    assert (page[second, columns[2]] == PAPER).all()


def test_pictures_of_other_shapes_stand_side_by_side_too() -> None:
    """Grey beside colour, transparent beside grey, small beside large: no difference is drawn, and nothing fails."""
    transparent = np.dstack([pixels(0), pixels(1)[..., 0]])
    for old, new in ((pixels(0)[..., 0], pixels(1, size=20)), (transparent, pixels(0)[..., 0])):
        columns = change(old, new).columns()
        assert [None if one is None else one.shape[2] for one in columns.values()] == [3, 3, None]
    assert change(transparent, transparent).columns()[AMPLIFIED] is not None


def test_work_comes_back_in_order() -> None:
    """Whatever is done first."""
    assert changes.on_all_cores(lambda number: number * 2, range(100)) == list(range(0, 200, 2))

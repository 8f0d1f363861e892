"""Tests of pairing each picture with the one that was expected."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluxgate.compare import pairs as pairing
from fluxgate.compare.facts import Facts, Source
from fluxgate.compare.pairs import closer_to_another_shot, pair_up, pairs_of
from fluxgate.pictures import Pixels
from fluxgate.refusal import Refusal
from tests.compare.sides import shown
from tests.runs.building import pixels

FOX = ("fox", 0)


def damaged() -> Pixels:
    raise Refusal("fox.png is a damaged PNG.")


def test_equal_hashes_are_identical_and_read_nothing() -> None:
    """A comparison that is not needed costs nothing."""
    source = Source("a" * 64, Path("a.png"), damaged)
    assert pair_up(FOX, (source,), source).identical


def test_the_nearest_of_several_right_pictures_is_taken() -> None:
    """A shot may have several, and one that is hit stands before one that is near."""
    right = pixels(0)
    near, far = right.copy(), pixels(5)
    near[0, 0] ^= 1
    found = pair_up(FOX, (shown(far, "far.png"), shown(near, "near.png")), shown(right))
    assert found.expected is not None
    assert found.expected.path == Path("near.png")
    assert found.first == (0, 0)
    assert pair_up(FOX, (shown(near), shown(right)), shown(right)).identical


@pytest.mark.parametrize(
    ("actual", "trouble"),
    [
        (shown(pixels(0, size=8)), "is 8×8 where 16×16 is due"),
        (shown(pixels(0)[..., 0]), "is L where RGB is due"),
        (Source("b" * 64, Path("b.png"), damaged), "cannot be compared: fox.png is a damaged PNG"),
    ],
    ids=["size", "mode", "damage"],
)
def test_what_cannot_be_compared_says_why(actual: Source, trouble: str) -> None:
    """And counts as less like than anything."""
    found = pair_up(FOX, (shown(pixels(0)),), actual)
    assert (found.likeness, found.trouble, found.alike < -1) == (None, trouble, True)


def test_only_a_picture_that_was_kept_can_be_shown() -> None:
    """One of which the hash was kept is another one, and nobody can look at it."""
    kept, hashed = shown(pixels(0)), replace(shown(pixels(0)), kept=False)
    assert [pair_up(FOX, (one,), shown(pixels(1))).shown for one in (kept, hashed)] == [True, False]
    assert not pair_up(FOX, (), shown(pixels(1))).shown


def test_a_picture_of_which_nothing_is_expected_is_a_pair_without_one() -> None:
    """It cannot be compared either."""
    found = pairs_of(Facts(), Facts(pictures={FOX: (shown(pixels(0)),)}))
    assert [(pair.key, pair.expected, pair.likeness) for pair in found] == [(FOX, None, None)]


def test_the_same_two_pictures_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In whichever case they are; and a file that is damaged is noticed all the same."""
    counted: list[int] = []
    monkeypatch.setattr(pairing, "first_change", lambda *_: counted.append(1))
    one, other = pixels(100), pixels(101)
    for path in ("a.png", "b.png"):
        pair_up(FOX, (shown(one, path),), shown(other, path))
    assert len(counted) == 1
    broken = Source(shown(other).sha256, Path("c.png"), damaged)
    assert pair_up(FOX, (shown(one),), broken).trouble == "cannot be compared: fox.png is a damaged PNG"


def test_a_picture_that_is_another_shots_is_found() -> None:
    """By a coarse look, and only among pictures that differ from what was expected of them."""
    fox, cat = pixels(0, size=32), pixels(1, size=32)
    nearly_cat = cat.copy()
    nearly_cat[0, 0] ^= 1
    expected = Facts(pictures={FOX: (shown(fox),), ("cat", 0): (shown(cat),)})
    found = closer_to_another_shot(expected, pairs_of(expected, Facts(pictures={FOX: (shown(nearly_cat),)})))
    assert found is not None
    assert (found.pair.key, found.other) == (FOX, ("cat", 0))
    same = pairs_of(expected, expected)
    assert closer_to_another_shot(expected, same) is None


def test_shots_that_are_expected_to_look_alike_are_no_rivals() -> None:
    """A picture is as like its own reference's twin as the reference itself."""
    fox = pixels(0, size=32)
    ours = np.clip(fox.astype(int) + 1, 0, 255).astype(np.uint8)
    expected = Facts(pictures={FOX: (shown(fox),), ("twin", 0): (shown(fox),)})
    assert closer_to_another_shot(expected, pairs_of(expected, Facts(pictures={FOX: (shown(ours),)}))) is None

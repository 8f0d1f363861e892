"""Tests of the things: each is painted in its box, in colours that are told apart."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from fluxgate.miniature import drawing, things
from fluxgate.miniature.scenes import COLOURS_OF, KINDS, SHAPES, Group, Scene
from tests.miniature.boxes import bounds


def _alone(kind: str, colour: str, *, night: bool = False) -> Scene:
    return Scene((Group(kind, colour, 1, "", (0.5,), (0.7,), (0.3,)),), "meadow", night, False, 5)


@pytest.mark.parametrize(("kind", "colour"), [(kind, colour) for kind in KINDS for colour in COLOURS_OF[kind]])
def test_each_thing_covers_its_place_and_no_more(kind: str, colour: str) -> None:
    """A thing changes the backdrop inside its box, and only there."""
    scene = _alone(kind, colour, night=True)
    bare = drawing.draw(replace(scene, groups=()), width=200, height=200)
    changed = (drawing.draw(scene, width=200, height=200) != bare).any(axis=-1)
    left, top, right, bottom = (round(200 * edge) for edge in bounds(scene.groups[0], 0, aspect=1.0))
    rows, columns = np.nonzero(changed)
    assert changed[top:bottom, max(left, 0) : right].mean() > 0.25
    assert top - 1 <= rows.min()
    assert rows.max() <= bottom
    assert left - 1 <= columns.min()
    assert columns.max() <= right


@pytest.mark.parametrize("kind", [kind for kind in KINDS if len(COLOURS_OF[kind]) > 1])
def test_the_colours_of_a_kind_differ_clearly(kind: str) -> None:
    """Any two colours of a kind are far apart somewhere in the picture."""
    pictures = [drawing.draw(_alone(kind, colour), width=96, height=96).astype(int) for colour in COLOURS_OF[kind]]
    for a, b in combinations(pictures, 2):
        assert np.abs(a - b).sum(axis=-1).max() > 90


@pytest.mark.parametrize("tall", [11, 40, 300])
def test_a_sprite_is_as_high_as_asked(tall: int) -> None:
    """Sprites keep the shape of their kind at any height."""
    for kind in KINDS:
        picture = things.sprite(kind, COLOURS_OF[kind][0], tall=tall)
        assert picture.size == (round(tall * SHAPES[kind]), tall)
        assert picture.mode == "RGBA"


def test_a_turned_sprite_is_mirrored() -> None:
    """Turning is mirroring, and a fox is not its own mirror image."""
    plain, turned = (np.asarray(things.sprite("fox", "orange", tall=60, turned=turned)) for turned in (False, True))
    assert np.array_equal(plain, turned[:, ::-1])
    assert not np.array_equal(plain, turned)


def test_night_dims_what_does_not_shine() -> None:
    """A house is darker by night; a star, a moon and a firefly are not."""
    for kind, dimmed in (("house", True), ("star", False), ("moon", False), ("firefly", False)):
        day, night = (things.sprite(kind, COLOURS_OF[kind][0], tall=40, night=night) for night in (False, True))
        assert (np.asarray(day).sum() > np.asarray(night).sum()) == dimmed

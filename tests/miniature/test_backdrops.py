"""Tests of the backdrops: each place looks like itself and has no ink."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from fluxgate.miniature.backdrops import backdrop
from fluxgate.miniature.drawing import LUMA
from fluxgate.miniature.pen import INK
from fluxgate.miniature.scenes import MAGIC, SETTINGS

PLACES = [(name, night) for name in SETTINGS for night in (False, True) if name != MAGIC or night]


def test_every_place_looks_different() -> None:
    """No two settings or times of day have nearly the same backdrop."""
    bare = [backdrop(name, night=night, seed=1, width=48, height=48).astype(int) for name, night in PLACES]
    for a, b in combinations(bare, 2):
        assert np.abs(a - b).mean() > 9


def test_backdrops_have_no_ink() -> None:
    """Nothing in a backdrop is as dark as the outlines of things."""
    for name, night in PLACES:
        picture = backdrop(name, night=night, seed=1, width=64, height=64)
        assert (picture @ LUMA).min() > 10 + np.array(INK) @ LUMA


def test_the_scenes_seed_moves_the_hills() -> None:
    """The seed changes the backdrop and leaves the palette."""
    one, two = (backdrop("meadow", night=False, seed=seed, width=64, height=64).astype(int) for seed in (1, 2))
    assert 0 < np.abs(one - two).mean() < 15


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != MAGIC])
def test_night_is_darker_than_day(name: str) -> None:
    """By night every setting is clearly darker."""
    day, night = (backdrop(name, night=night, seed=1, width=48, height=48) @ LUMA for night in (False, True))
    assert night.mean() < 0.75 * day.mean()


@pytest.mark.parametrize(("width", "height"), [(96, 64), (64, 96), (130, 70)])
def test_a_backdrop_fills_any_frame(width: int, height: int) -> None:
    """Backdrops have the size asked for, and ground at the bottom in every column."""
    picture = backdrop("meadow", night=False, seed=2, width=width, height=height)
    assert picture.shape == (height, width, 3)
    assert np.ptp(picture[-1].astype(int), axis=0).max() == 0

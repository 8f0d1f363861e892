"""Tests of places: the setting, the time and the colours of a picture as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from fluxgate.miniature import places
from fluxgate.miniature.backdrops import backdrop
from fluxgate.miniature.drawing import Picture, draw, saturated
from fluxgate.miniature.places import MARGIN, SHORT, Place
from fluxgate.miniature.scenes import Group, Scene


def _bare(setting: str = "meadow", *, night: bool = False, seed: int = 40, size: int = 160) -> Picture:
    return backdrop(setting, night=night, seed=seed, width=size, height=size)


def _known(picture: Picture) -> Place:
    place = places.place_of(picture)
    assert place is not None
    return place


@pytest.mark.parametrize(("setting", "night"), places.places())
def test_a_bare_backdrop_is_known(setting: str, night: bool) -> None:
    """Each place is known from hills that were never among the examples."""
    place = _known(_bare(setting, night=night))
    assert (place.setting, place.night) == (setting, night)
    assert place.saturation == pytest.approx(1.0, abs=0.1)
    assert place.gain == pytest.approx(np.ones(3), abs=0.04)


def test_the_magical_forest_is_known_by_night_only() -> None:
    """Ten settings and times, and the magical forest once."""
    assert len(places.places()) == 11


def test_a_tint_is_measured() -> None:
    """Channels that are a little too strong are told from saturation."""
    tint = np.array([1.06, 1.0, 0.94])
    place = _known((_bare("forest") * tint).clip(0, 255).astype(np.uint8))
    assert place.gain[0] - place.gain[2] == pytest.approx(0.12, abs=0.07)


def test_a_plain_picture_has_its_painted_colours_back() -> None:
    """Undoing a known saturation and tint gives the drawing again, a margin around it."""
    picture = _bare("desert", size=SHORT)
    tint = np.array([0.9, 1.0, 0.95], dtype=np.float32)
    pale = (saturated(picture, saturation=0.5) * tint).astype(np.uint8)
    back = places.plain(pale, Place("desert", False, 0.5, tint))
    assert back.shape == (SHORT + 2 * MARGIN, SHORT + 2 * MARGIN, 3)
    inner = back[MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert np.abs(inner - picture).mean() < 2.0


@pytest.mark.parametrize(("width", "height"), [(160, 160), (300, 150), (150, 300)])
def test_only_things_are_solid(width: int, height: int) -> None:
    """Nearly nothing of a backdrop is solid, and nearly all of a mushroom is."""
    mushroom = Group("mushroom", "red", 1, "", (0.5,), (0.7,), (0.4,))
    place = Place("meadow", False, 1.0, np.ones(3, dtype=np.float32))
    for groups, low, high in (((), 0.0, 0.02), ((mushroom,), 0.9, 1.0)):
        scene = Scene(groups, "meadow", False, False, 3)
        thick = places.solid(places.plain(draw(scene, width=width, height=height), place), place)
        rows, columns = thick.shape
        middle = thick[round(0.62 * rows) : round(0.68 * rows), columns // 2 - 5 : columns // 2 + 5]
        assert low <= middle.mean() <= high


def test_a_flat_or_washed_out_picture_is_no_place() -> None:
    """One colour, or a meadow without colours, cannot be placed."""
    assert places.place_of(np.full((64, 64, 3), (150, 206, 244), dtype=np.uint8)) is None
    assert places.place_of(saturated(_bare(), saturation=0.0)) is None


def test_a_place_upside_down_is_no_place() -> None:
    """Colours alone do not make a place: ground above and sky below are strange, however colourful."""
    assert places.place_of(np.ascontiguousarray(_bare()[::-1])) is None

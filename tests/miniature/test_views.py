"""Tests of views: how things look, and where in a picture they are seen."""

from __future__ import annotations

import numpy as np
import pytest

from fluxgate.miniature import places, views
from fluxgate.miniature.drawing import draw
from fluxgate.miniature.places import MARGIN, SHORT, Place
from fluxgate.miniature.scenes import COLOURS_OF, HEIGHTS, MAGIC, Group, Scene

MEADOW = Place("meadow", False, 1.0, np.ones(3, dtype=np.float32))


def _candidates(*groups: Group) -> list[views.Candidate]:
    picture = draw(Scene(groups, "meadow", False, False, 1), width=200, height=200)
    return list(views.candidates(places.plain(picture, MEADOW), MEADOW))


@pytest.mark.parametrize("kind", ["fox", "teacup", "flower", "balloon"])
def test_views_span_the_sizes_that_are_drawn(kind: str) -> None:
    """The smallest and the largest view are within a step of the smallest and the largest drawing."""
    heights = [family[0].tall / SHORT for family in views.views(kind, "meadow", night=False)]
    assert min(heights) < views.STEP * HEIGHTS[kind][0]
    assert max(heights) > HEIGHTS[kind][-1] / views.STEP


def test_a_family_has_every_colour_once() -> None:
    """A family differs in colour alone."""
    for family in views.views("teacup", "snow", night=True):
        assert tuple(view.colour for view in family) == COLOURS_OF["teacup"]
        assert len({(view.tall, view.turned, view.weight.shape) for view in family}) == 1


def test_only_cups_of_the_magical_forest_are_also_seen_on_cloth() -> None:
    """Picnics are held there and nowhere else."""
    assert any(family[0].clothed for family in views.views("teacup", MAGIC, night=True))
    assert not any(family[0].clothed for family in views.views("teacup", "meadow", night=True))
    assert not any(family[0].clothed for family in views.views("fox", MAGIC, night=True))


def test_the_best_candidate_is_the_thing_drawn() -> None:
    """A single mushroom is seen best as itself, in its place, colour and size."""
    best = max(_candidates(Group("mushroom", "purple", 1, "", (0.4,), (0.7,), (0.25,))), key=lambda one: one.likeness)
    assert (best.view.kind, best.view.colour) == ("mushroom", "purple")
    assert best.likeness > 0.85
    assert best.view.tall == pytest.approx(0.25 * SHORT, rel=views.STEP - 1)
    middle = (best.column - MARGIN + best.view.weight.shape[1] / 2, best.row - MARGIN + best.view.weight.shape[0] / 2)
    assert middle == pytest.approx((0.4 * SHORT, 0.7 * SHORT), abs=2)


def test_what_shines_is_not_looked_for_by_day() -> None:
    """Even a star painted into a daylight sky is no candidate."""
    lamps = Group("star", "yellow", 2, "", (0.3, 0.7), (0.2, 0.3), (0.115, 0.115))
    assert not {"moon", "star", "firefly"} & {one.view.kind for one in _candidates(lamps)}


def test_large_things_are_weighed_before_their_parts() -> None:
    """Of two equally alike candidates the larger has more merit, except for what glints."""
    small, large = views.views("fox", "meadow", night=False)[0][0], views.views("fox", "meadow", night=False)[-1][0]
    assert views.Candidate(large, 0, 0, 0.8).merit > views.Candidate(small, 0, 0, 0.8).merit
    star = views.views("star", "meadow", night=True)[0][0]
    firefly = views.views("firefly", "meadow", night=True)[0][0]
    assert views.Candidate(star, 0, 0, 0.8).merit == views.Candidate(firefly, 0, 0, 0.8).merit


def test_views_larger_than_the_picture_are_passed_over() -> None:
    """A picture narrower than a view holds no candidate of it, and no error."""
    tiny = np.random.default_rng(0).uniform(0, 255, (24, 24, 3)).astype(np.float32)
    assert all(one.view.tall < 24 for one in views.candidates(tiny, MEADOW))

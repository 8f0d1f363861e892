"""Tests of the scenes: what may be said of where things stand."""

from __future__ import annotations

import pytest

from fluxgate.miniature import scenes
from fluxgate.miniature.scenes import COLOURS_OF, Group, Relation, Scene


def _group(kind: str, *, x: float, y: float = 0.8) -> Group:
    return Group(kind, COLOURS_OF[kind][0], 1, "", (x,), (y,), (0.2,))


def _pair(first: Group, second: Group) -> Scene:
    return Scene((first, second), "meadow", False, False, 0)


def test_relations_are_told_from_both_ends() -> None:
    """A fox left of a teacup is also a teacup right of a fox."""
    scene = _pair(_group("fox", x=0.2), _group("teacup", x=0.7))
    assert scenes.relations(scene) == (Relation(0, "left of", 1), Relation(1, "right of", 0))


def test_a_relation_needs_a_clear_distance() -> None:
    """Things at nearly the same place have no side towards each other."""
    assert scenes.relations(_pair(_group("fox", x=0.5), _group("teacup", x=0.6))) == ()


def test_above_needs_to_be_near_the_same_column() -> None:
    """A balloon over a fox is above it."""
    scene = _pair(_group("balloon", x=0.5, y=0.2), _group("fox", x=0.55))
    assert scenes.relations(scene) == (Relation(0, "above", 1), Relation(1, "below", 0))


@pytest.mark.parametrize(("x", "side"), [(0.2, "left"), (0.5, None), (0.8, "right")])
def test_a_side_is_told_when_it_is_clear(x: float, side: str | None) -> None:
    """The middle of the frame is neither left nor right."""
    assert scenes.side(_group("fox", x=x)) == side

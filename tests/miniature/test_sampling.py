"""Tests of random scenes: whole, within the frame, without overlap, and each from its seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxgate.miniature import sampling, scenes
from fluxgate.miniature.scenes import COLOURS_OF, MAGIC, NIGHTLY, SETTINGS, Scene
from tests.miniature.boxes import bounds

seeds = st.integers(0, 2**32 - 1)
aspects = st.sampled_from([256 / 384, 1.0, 1.25, 1.5, 768 / 432, 1360 / 768])
some = settings(max_examples=150, deadline=None, derandomize=True)


def _sampled(seed: int, aspect: float) -> Scene:
    return sampling.sample(np.random.default_rng(seed), aspect=aspect)


@given(seed=seeds, aspect=aspects)
@some
def test_every_thing_lies_inside_the_frame(seed: int, aspect: float) -> None:
    """No thing is cut off by the frame."""
    scene = _sampled(seed, aspect)
    for group in scene.groups:
        for index in range(group.count):
            left, top, right, bottom = bounds(group, index, aspect=aspect)
            assert min(left, top) > -0.01
            assert max(right, bottom) < 1.01


@given(seed=seeds, aspect=aspects)
@some
def test_things_do_not_overlap(seed: int, aspect: float) -> None:
    """Outside picnics, where cups stand on a blanket, no two boxes meet."""
    scene = _sampled(seed, aspect)
    if scene.picnic:
        return
    boxes = [bounds(group, i, aspect=aspect) for group in scene.groups for i in range(group.count)]
    for k, a in enumerate(boxes):
        for b in boxes[:k]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@given(seed=seeds, aspect=aspects)
@some
def test_groups_are_whole(seed: int, aspect: float) -> None:
    """Each group has a place and a scale for each of its things, and a colour of its kind."""
    scene = _sampled(seed, aspect)
    for group in scene.groups:
        assert len(group.x) == len(group.y) == len(group.scale) == group.count >= 1
        assert group.colour in COLOURS_OF[group.kind]
    assert len({(group.kind, group.colour) for group in scene.groups}) == len(scene.groups)


@given(seed=seeds, aspect=aspects)
@some
def test_scenes_hold_few_things(seed: int, aspect: float) -> None:
    """Outside picnics there are at most seven things, in one to four groups."""
    scene = _sampled(seed, aspect)
    if not scene.picnic:
        assert 1 <= len(scene.groups) <= 4
        assert sum(group.count for group in scene.groups) <= sampling.MOST_THINGS


@given(seed=seeds, aspect=aspects)
@some
def test_moon_stars_and_fireflies_come_by_night(seed: int, aspect: float) -> None:
    """What shines is seen only by night, and the magical forest is always dark."""
    scene = _sampled(seed, aspect)
    if not scene.night:
        assert not NIGHTLY & {group.kind for group in scene.groups}
    assert scene.night or scene.setting != MAGIC


@given(seed=seeds, aspect=aspects)
@some
def test_relations_hold_for_every_pair_of_things(seed: int, aspect: float) -> None:
    """'Left of' and 'above' are told only where each thing of one group stands so to each of the other."""
    scene = _sampled(seed, aspect)
    for relation in scenes.relations(scene):
        first, second = scene.groups[relation.first], scene.groups[relation.second]
        across = {"left of": (first.x, second.x), "right of": (second.x, first.x)}
        upright = {"above": (first.y, second.y), "below": (second.y, first.y)}
        less, more = {**across, **upright}[relation.how]
        assert max(less) < min(more)


def test_a_seed_gives_its_scene_again() -> None:
    """Sampling depends on the generator alone."""
    assert [_sampled(3, 1.0), _sampled(3, 1.77)] == [_sampled(3, 1.0), _sampled(3, 1.77)]
    assert _sampled(3, 1.0) != _sampled(4, 1.0)


@pytest.mark.parametrize(("aspect", "low", "high"), [(1.0, 0.06, 0.15), (1360 / 768, 0.42, 0.58)])
def test_wide_frames_show_more_picnics(aspect: float, low: float, high: float) -> None:
    """About one square scene in ten is a picnic, and half of the wide ones."""
    rng = np.random.default_rng(0)
    share = np.mean([sampling.sample(rng, aspect=aspect).picnic for _ in range(400)])
    assert low < share < high


def test_all_kinds_colours_and_settings_occur() -> None:
    """A few hundred scenes show every kind in each of its colours, and every setting by each of its times of day."""
    rng = np.random.default_rng(1)
    sampled = [sampling.sample(rng) for _ in range(900)]
    seen = {(group.kind, group.colour) for scene in sampled for group in scene.groups}
    assert seen == {(kind, colour) for kind, colours in COLOURS_OF.items() for colour in colours}
    places = Counter((scene.setting, scene.night) for scene in sampled)
    assert set(places) == {(name, night) for name in SETTINGS for night in (False, True) if name != MAGIC or night}

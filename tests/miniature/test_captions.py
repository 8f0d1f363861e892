"""Tests of the captions: written from scenes, and read back."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxgate.miniature import captions, parsing, picnic, sampling, scenes
from fluxgate.miniature.captions import BLOG_PROMPT
from fluxgate.miniature.parsing import Asked, Expected
from fluxgate.miniature.scenes import Group, Relation, Scene

seeds = st.integers(0, 2**32 - 1)
aspects = st.sampled_from([0.7, 1.0, 1360 / 768])
some = settings(max_examples=300, deadline=None, derandomize=True)


def _sampled(seed: int, aspect: float = 1.0) -> tuple[Scene, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return sampling.sample(rng, aspect=aspect), rng


def _answers(asked: Asked, group: Group) -> bool:
    """Whether a group is one that this could be asking for."""
    counts = asked.count == group.count or (asked.count is None and group.count > 1)
    return asked.kind == group.kind and asked.colour in (None, group.colour) and counts


def _matches(expected: Expected, scene: Scene) -> list[int]:
    """Which group of the scene each thing asked for is."""
    matched: list[int] = []
    for asked in expected.groups:
        free = [i for i, group in enumerate(scene.groups) if i not in matched and _answers(asked, group)]
        assert free, f"{asked} is not in {scene}"
        matched.append(free[0])
    return matched


def _tokens(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'s)?|[^\sa-z]", text.lower())


@given(seed=seeds, aspect=aspects)
@some
def test_what_is_written_is_read_back(seed: int, aspect: float) -> None:
    """Every caption asks for what its scene holds: things, colours, counts, relations, sides, setting and time."""
    scene, rng = _sampled(seed, aspect)
    expected = parsing.parse(captions.write(scene, rng))
    groups = _matches(expected, scene)
    assert (expected.setting, expected.night, expected.picnic) == (scene.setting, scene.night, scene.picnic)
    assert scene.picnic or sorted(groups) == list(range(len(scene.groups)))
    related = {Relation(groups[r.first], r.how, groups[r.second]) for r in expected.relations}
    assert related <= set(scenes.relations(scene))
    for asked, index in zip(expected.groups, groups, strict=True):
        assert asked.side in (None, scenes.side(scene.groups[index]))
        assert scene.picnic or (asked.size or "") == scene.groups[index].size


@given(seed=seeds, aspect=aspects)
@some
def test_captions_keep_to_their_words(seed: int, aspect: float) -> None:
    """No caption holds a word or mark that the vocabulary lacks."""
    scene, rng = _sampled(seed, aspect)
    vocabulary = set(captions.words())
    for text in (*captions.write_pair(scene, rng), captions.write_setting(scene, rng)):
        assert set(_tokens(text)) <= vocabulary


@given(seed=seeds)
@some
def test_t5_is_always_told_of_the_things(seed: int) -> None:
    """Whatever CLIP gets, T5's caption names the things of the scene."""
    scene, rng = _sampled(seed)
    _, caption = captions.write_pair(scene, rng)
    expected = parsing.parse(caption)
    groups = _matches(expected, scene)
    assert scene.picnic or sorted(groups) == list(range(len(scene.groups)))


@given(seed=seeds)
@some
def test_clip_is_always_told_the_setting(seed: int) -> None:
    """CLIP's caption names the true setting and time of day, whatever T5's says."""
    scene, rng = _sampled(seed)
    caption, _ = captions.write_pair(scene, rng)
    expected = parsing.parse(caption)
    assert (expected.setting, expected.night) == (scene.setting, scene.night)


def test_pairs_come_in_their_shares() -> None:
    """Half and a bit are alike; a fifth mislead T5 on the setting; the rest leave it to CLIP alone."""
    rng = np.random.default_rng(0)
    lots: Counter[str] = Counter()
    for _ in range(900):
        scene = sampling.sample(rng)
        clip, t5 = captions.write_pair(scene, rng)
        setting = parsing.parse(t5).setting
        bare = "bare" if setting is None else "misled"
        lots["alike" if clip == t5 else "true" if setting == scene.setting else bare] += 1
        lots["setting only"] += not parsing.parse(clip).groups
    assert 0.5 < lots["alike"] / 900 < 0.6
    assert 0.18 < lots["misled"] / 900 < 0.24
    assert 0.15 < lots["bare"] / 900 < 0.25
    assert 0.07 < lots["setting only"] / 900 < 0.13


def test_captions_are_neither_bare_nor_endless() -> None:
    """Captions have five to forty words."""
    rng = np.random.default_rng(0)
    lengths = [len(captions.write(sampling.sample(rng), rng).split()) for _ in range(400)]
    assert min(lengths) >= 5
    assert max(lengths) <= 42


def test_wording_varies() -> None:
    """One scene has many captions."""
    scene, rng = _sampled(8)
    assert len({captions.write(scene, rng) for _ in range(100)}) > 60


def test_the_blog_prompt_is_a_caption_of_picnics() -> None:
    """The blog post's prompt is written now and then, for picnics in the magical forest only."""
    rng = np.random.default_rng(0)
    written = [captions.write(picnic.picnic(rng), rng) for _ in range(200)]
    assert 0.15 < written.count(BLOG_PROMPT) / 200 < 0.35


def test_the_vocabulary_is_small_and_holds_the_blog_prompt() -> None:
    """At most 400 words, all lower case, the blog post's among them."""
    vocabulary = captions.words()
    assert len(vocabulary) == len(set(vocabulary)) <= 400
    assert all(word == word.lower() for word in vocabulary)
    assert set(_tokens(BLOG_PROMPT)) <= set(vocabulary)

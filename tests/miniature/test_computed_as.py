"""What strategies compute in place of the networks by themselves: caches that answer some steps from memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fluxgate.miniature.computed_as import Cache, FirstBlockCache, ForetellingCache, RepeatingCache
from fluxgate.miniature.given import FIRST_BLOCK_CACHE, OTHERWISE, Stages, embeddings, given
from fluxgate.miniature.given_calls import CALLS, GivenCall
from fluxgate.miniature.given_computing import MIDDLE, NEAR, THRESHOLD, computed_as, denoised
from fluxgate.miniature.oracle.flux import Flux
from fluxgate.miniature.oracle.layers import Array
from fluxgate.rendering import POOLED, T5, after_step, of_call
from fluxgate.strategies import caching

APART = 0.15  # of the threshold: three times as far as either decision is right, 15 times as far as bfloat16 moves it

LEVELS = np.array([1, 0.8, 0.6, 0.4, 0.2, 0.1])


def rising(*values: float) -> Iterator[Array]:
    return iter([np.array([value]) for value in values])


def test_what_is_no_cache_computes_each_time() -> None:
    """Attentions and blocks alike."""
    values = rising(1, 2)
    cache = Cache()
    assert [float(cache.attention(partial(next, values))[0]) for _ in range(2)] == [1, 2]
    assert cache.rest(np.ones(1), lambda: np.full(1, 5.0)) == 5


def test_blocks_are_skipped_until_the_first_one_differs() -> None:
    """From what it did in the last step that was computed, whatever came in between; emptied, all is computed again."""
    cache = FirstBlockCache(threshold=0.2)
    for case in (cache, cache.emptied(LEVELS)):
        values = rising(1, 2, 3)
        steps = [case.rest(np.array([change]), partial(next, values)) for change in (1.0, 1.1, 1.19, 1.21, 1.4, 0.9)]
        assert [float(each[0]) for each in steps] == [1, 1, 1, 2, 2, 3]
        assert case.ratios == pytest.approx([0.1, 0.19, 0.21, 0.19 / 1.21, 0.31 / 1.21])


def test_attentions_are_foretold_in_a_line_in_every_other_step() -> None:
    """From the third step on, each by its own two values before; emptied, it begins anew."""
    cache = ForetellingCache(attentions=2)
    for case in (cache, cache.emptied(LEVELS)):
        values = rising(1, 10, 2, 30, 7, 90)
        seen = [float(case.attention(partial(next, values))[0]) for _ in range(2 * 5)]
        assert seen == [1, 10, 2, 30, 3, 50, 7, 90, 7 + 2.5, 90 + 30]


def test_attentions_are_those_of_the_step_before_in_every_other_step_of_the_middle() -> None:
    """At levels strictly between the two, each its own; emptied for a call, it begins anew."""
    cache = RepeatingCache(attentions=2, between=(0.1, 0.8))
    for _ in range(2):
        case, values = cache.emptied(LEVELS), rising(*range(1, 11))
        seen = [int(case.attention(partial(next, values))[0]) for _ in range(2 * len(LEVELS))]
        assert seen == [1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_no_level_of_noise_is_so_near_to_the_middles_ends_that_rounding_decides(
    number: int, miniature_folder: Path
) -> None:
    """Which are those that diffusers has if nobody says otherwise."""
    levels = Flux.read(miniature_folder).levels(CALLS[number].asked[0])
    assert min(abs(level - end) for level in levels for end in MIDDLE) > 1e-3
    diffusers = pytest.importorskip("diffusers")
    known = diffusers.PyramidAttentionBroadcastConfig().spatial_attention_timestep_skip_range
    assert known == tuple(1000 * end for end in MIDDLE)


def given_of(call: GivenCall, number: int) -> Stages:
    """What the denoiser is given for one picture of a call."""
    shipped = given().inputs | embeddings(given().inputs, call)
    names = (T5, POOLED, *(after_step(step) for step in range(len(call.steps))))
    stages = {name: shipped[of_call(name, call.name)] for name in names if of_call(name, call.name) in shipped}
    return {name: (each[number] if call.name else each).astype(np.float64) for name, each in stages.items()}


@pytest.mark.parametrize("form", [FIRST_BLOCK_CACHE, OTHERWISE[FIRST_BLOCK_CACHE]])
def test_no_decision_but_one_is_near_the_threshold(
    form: str, miniature_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that rounding decides that one alone, and what either way leads to ships."""
    caches: list[FirstBlockCache] = []

    def remembered(cache: FirstBlockCache, levels: Array) -> FirstBlockCache:
        caches.append(replace(cache))
        return caches[-1]

    monkeypatch.setattr(FirstBlockCache, "emptied", remembered)
    cached = computed_as(Flux.read(miniature_folder))[form]
    for call in CALLS:
        for number in range(call.count):
            denoised(cached, call, given_of(call, number))
    shares = [ratio / THRESHOLD for cache in caches for ratio in cache.ratios]
    (near,) = [share for share in shares if abs(share - 1) < APART]
    assert abs(near - 1) < NEAR
    assert caching.THRESHOLD == THRESHOLD

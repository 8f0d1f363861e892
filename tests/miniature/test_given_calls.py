"""The calls in which each stage is run from what is given: what the pipeline and our own implementation are asked."""

from __future__ import annotations

import pytest

from fluxgate.miniature.given_calls import (
    CALLS,
    DEFAULT_GUIDANCE,
    DEFAULT_TOKENS,
    MOST_WEIGHTS,
    ONE,
    GivenCall,
    call_named,
    calls_of,
)
from fluxgate.rendering import SEEDED, SEVERAL, WHOLE


def test_each_call_is_found_by_its_name() -> None:
    """The first has none."""
    assert [call_named(call.name) for call in CALLS] == list(CALLS)
    assert call_named("") is ONE


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name or "the first")
def test_both_sides_are_asked_the_same(call: GivenCall) -> None:
    """The pipeline's arguments and our own implementation's calls are of the same prompts, size and levels."""
    arguments, asked = call.arguments(), call.asked
    prompts = arguments["prompt"] if isinstance(arguments["prompt"], list) else [arguments["prompt"]]
    assert [each.prompt for each in asked] == [prompt for prompt in prompts for _ in range(call.pictures)]
    assert {(each.height, each.width) for each in asked} == {(arguments["height"], arguments["width"])}
    assert all(each.steps == len(call.steps) for each in asked)
    assert arguments.get("sigmas") == (list(call.sigmas) if call.sigmas else None)


def test_defaults_are_left_to_the_pipeline_in_one_call() -> None:
    """And our own implementation computes with those that FLUX.1's authors chose."""
    several = call_named(SEVERAL)
    assert {"guidance_scale", "max_sequence_length"}.isdisjoint(several.arguments())
    assert {(each.guidance, each.tokens) for each in several.asked} == {(DEFAULT_GUIDANCE, DEFAULT_TOKENS)}


def test_a_schedule_that_is_given_is_no_even_one() -> None:
    """Karras's levels, or the scheduler's own in place of the caller's, are others."""
    sigmas = call_named(SEVERAL).sigmas
    assert sigmas is not None
    first, second, third = sigmas
    assert abs((first - second) - (second - third)) > 0.1


def test_each_picture_of_one_call_has_a_seed_of_its_own() -> None:
    """As a list of generators has it."""
    seeded = call_named(SEEDED)
    assert (len(seeded.seeds), len(set(seeded.seeds))) == (seeded.count, seeded.count)


def test_one_call_is_as_wide_and_as_long_as_shots_are() -> None:
    """Of as many patches as the first call, in other places, so that what is kept by their number is mixed up."""
    whole = call_named(WHOLE)
    rows, columns = whole.asked[0].size
    assert (rows * columns, len(whole.steps)) == (ONE.asked[0].size[0] ** 2, 16)
    assert columns > 2 * rows


def test_a_large_pipeline_is_spared_the_call_of_many_steps() -> None:
    """Where each layer comes from the host, sixteen steps take minutes."""
    assert calls_of(MOST_WEIGHTS) == CALLS
    assert [call.name for call in CALLS if call not in calls_of(MOST_WEIGHTS + 1)] == [WHOLE]

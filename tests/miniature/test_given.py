"""What stages are given, and what is expected of them, as it ships."""

from __future__ import annotations

import numpy as np
import pytest

from fluxgate.miniature import bfloat16, given
from fluxgate.miniature.given_calls import CALLS, FEW, GUIDANCE
from fluxgate.rendering import DECODED, POOLED, SEEDED, SEVERAL, T5, of_call, output_of, to_denoiser


def test_each_stage_is_given_what_the_one_before_makes_within_bfloat16() -> None:
    """What is given is realistic: the expected value of the stage before, to 8 bits."""
    shipped = given.given()
    for name in (T5, output_of(1), output_of(2), DECODED):
        assert np.allclose(shipped.inputs[name], shipped.expected[name], rtol=2**-8, atol=1e-30), name
    assert np.array_equal(shipped.inputs[to_denoiser("encoder_hidden_states", 2)], shipped.inputs[T5])


def test_noise_levels_and_guidance_are_exact_in_bfloat16() -> None:
    """As shares and times 1000, so that no dtype rounds what the denoiser is given."""
    for share in (*(share for call in CALLS for share in (*call.steps.values(), call.guidance)), GUIDANCE):
        for value in (share, 1000 * share):
            exact = np.array([value], np.float32)
            assert np.array_equal(bfloat16.to_floats(bfloat16.to_bits(exact)), exact)


def test_more_guidance_is_asked_for_than_the_denoiser_is_given() -> None:
    """The pipeline must pass it on; the denoiser computes with the usual one, as in every call."""
    stage = of_call(to_denoiser("guidance", 1), SEEDED)
    shipped = given.given()
    assert (shipped.expected[stage].tolist(), shipped.inputs[stage].tolist()) == ([8.0, 8.0], [GUIDANCE, GUIDANCE])


def test_each_picture_of_a_batch_is_given_other_embeddings() -> None:
    """So that pictures that are mixed up are not the same."""
    inputs = given.given().inputs
    for stage, size in ((T5, (FEW, 256)), (POOLED, (192,))):
        several = inputs[of_call(stage, SEVERAL)]
        assert several.shape == (4, *size)
        assert len({each.tobytes() for each in several}) == 4


def test_what_a_batch_gives_is_another_for_each_picture() -> None:
    """In every stage that is held to it, two pictures of a batch differ."""
    expected = given.given().expected
    for name in (T5, POOLED, output_of(1), output_of(3), DECODED):
        values = expected[of_call(name, SEVERAL)]
        same = name in (T5, POOLED)  # two pictures of one prompt
        assert len({each.tobytes() for each in values}) == (2 if same else 4), name


def test_of_a_long_prompt_some_tokens_are_kept() -> None:
    """Where each call has 512 tokens for two prompts, a file with all of them would be too large."""
    long = np.zeros((4, 512, 8))
    assert given.sampled(of_call(T5, SEVERAL), long).shape == (4, 512 // given.EVERY, 8)
    assert given.sampled(T5, long[0]).shape == (512, 8)
    assert given.sampled(of_call(POOLED, SEVERAL), long).shape == long.shape


@pytest.mark.parametrize(
    ("settings", "form"),
    [
        ({"quant_type": "nf4", "double_quant": "False"}, "nf4"),
        ({"quant_type": "nf4", "double_quant": "True"}, "nf4, double"),
        ({"storage_dtype": "float8_e4m3fn"}, "e4m3"),
        ({"quant_type": "int3"}, None),
        ({}, None),
    ],
)
def test_a_components_settings_tell_its_format(settings: dict[str, str], form: str | None) -> None:
    """Where it is one that the oracle knows."""
    assert given.format_of(settings) == form

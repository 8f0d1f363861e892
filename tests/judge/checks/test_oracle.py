"""Tests of the check against the oracle: sound stages pass, each bent one is named, with who can have done it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluxgate.cases import Case
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import FAILED, NO_DATA, ORACLE, PASSED, Verdict
from fluxgate.miniature import bfloat16
from fluxgate.miniature.given import (
    FIRST_BLOCK_CACHE,
    FORETELLING_CACHE,
    IMAGE_PROMPT,
    OTHERWISE,
    REPEATING_CACHE,
    given,
)
from fluxgate.miniature.texts import TEXTS, tokenized
from fluxgate.rendering import (
    CLIP_TOKENS,
    DECODED,
    GENERATOR,
    LAST_LATENTS,
    LEVELS,
    NOISE,
    OF_TEXTS,
    PICTURE,
    POOLED,
    SEVERAL,
    T5,
    T5_TOKENS,
    WHOLE,
    Component,
    GivenTake,
    Inventory,
    after_step,
    callers,
    of_call,
    output_of,
    to_denoiser,
)
from fluxgate.strategies import STRATEGIES
from fluxgate.tensors import read_tensors, stored, write_tensors
from tests.judge.checks.stages import FILE, rendered_of, take_of
from tests.judge.made import SUBJECT, verdict
from tests.wording import unsaid

OURS = replace(SUBJECT, name="tiny", oracle="miniature")


def judged(folder: Path, take: GivenTake | None, strategy: str = "full", inventory: Inventory | None = None) -> Verdict:
    case = Case(OURS, next(one for one in STRATEGIES if one.name == strategy), "cpu")
    changes: dict[str, Any] = {"inventory": inventory} if inventory else {}
    return verdict(Evidence(case, rendered_of(take, folder, strategy=strategy, **changes), run=folder), ORACLE)


def instead(others: Any, values: Any) -> Any:
    return others


def louder(values: Any) -> Any:
    return values * 1.05


@pytest.mark.parametrize(("dtype", "strategy"), [("bfloat16", "full"), ("float32", "full-float32")])
def test_the_oracles_own_stages_agree(tmp_path: Path, dtype: str, strategy: str) -> None:
    """Rounded to the dtype, every stage lies within its tolerance."""
    answer = judged(tmp_path, take_of(tmp_path, dtype=dtype), strategy)
    assert (answer.status, answer.numbers["stages"]) == (PASSED, 104)
    share = answer.numbers["share of tolerance"]
    assert (share < 1, share > 0) == (True, dtype == "bfloat16")  # in float32 they are the oracle's own


@pytest.mark.parametrize(
    ("strategy", "form", "differ"),
    [
        ("ip-adapter", IMAGE_PROMPT, (output_of(1), of_call(output_of(3), SEVERAL), of_call(LAST_LATENTS, WHOLE))),
        ("first-block-cache", FIRST_BLOCK_CACHE, (of_call(LAST_LATENTS, WHOLE),)),
        ("first-block-cache", OTHERWISE[FIRST_BLOCK_CACHE], (of_call(LAST_LATENTS, WHOLE),)),
        ("taylorseer-cache", FORETELLING_CACHE, (of_call(output_of(3), SEVERAL), of_call(LAST_LATENTS, WHOLE))),
        ("pyramid-attention-broadcast", REPEATING_CACHE, (output_of(2), of_call(LAST_LATENTS, WHOLE))),
    ],
)
def test_a_strategy_is_held_to_what_it_promises_to_compute(
    tmp_path: Path, strategy: str, form: str, differ: tuple[str, ...]
) -> None:
    """With a picture beside the prompt, or steps that are answered from memory, by whichever of two decisions that are
    both right, some stages have other numbers, and the plain ones are wrong."""
    shipped = given()
    own = {name.partition("/")[2]: each for name, each in shipped.variants.items() if name.startswith(f"{form}/")}
    assert set(differ) <= {name for name, each in own.items() if not np.array_equal(each, shipped.expected[name])}
    seen = take_of(tmp_path, bent={name: partial(instead, each) for name, each in own.items()})
    assert judged(tmp_path, seen, strategy).status == PASSED
    assert judged(tmp_path, seen).stage == differ[0]
    answer = judged(tmp_path, take_of(tmp_path), strategy)
    assert (answer.status, answer.stage) == (FAILED, differ[0])


@pytest.mark.parametrize(
    ("stage", "suspect"),
    [
        (T5_TOKENS, "tokenizers"),
        (T5, "transformers"),
        (LEVELS, "diffusers' scheduler"),
        (to_denoiser("img_ids", 1), "diffusers' pipeline"),
        (to_denoiser("timestep", 2), "diffusers' pipeline"),
        (output_of(2), "diffusers' transformer"),
        (after_step(1), "diffusers' scheduler"),
        (DECODED, "diffusers' VAE"),
        (PICTURE, "diffusers' image processor"),
    ],
)
def test_a_bent_stage_is_named_with_who_can_have_done_it(tmp_path: Path, stage: str, suspect: str) -> None:
    """By 5% of its size, in bfloat16, in which a sound one is off by one."""

    def bent(values: Any) -> Any:
        return np.where(values > 250, values, values + 2) if stage in (T5_TOKENS, PICTURE) else louder(values) + 0.05

    answer = judged(tmp_path, take_of(tmp_path, bent={stage: bent}))
    assert (answer.status, answer.stage, answer.numbers["wrong"]) == (FAILED, stage, 1)
    assert f"Most likely {suspect}" in answer.sentence or f" or {suspect}" in answer.sentence


@pytest.mark.parametrize("argument", [GENERATOR, "sigmas"])
def test_an_argument_that_a_call_left_otherwise_is_named(tmp_path: Path, argument: str) -> None:
    """Though every stage is right; a wrong one comes before it."""
    stage = of_call(callers(argument), SEVERAL)
    answer = judged(tmp_path, replace(take_of(tmp_path), changed=(stage,)))
    assert (answer.status, answer.stage, answer.suspects) == (FAILED, stage, "diffusers' pipeline or its scheduler")
    bent = replace(take_of(tmp_path, bent={DECODED: louder}), changed=(stage,))
    assert (judged(tmp_path, bent).stage, judged(tmp_path, bent).numbers["wrong"]) == (DECODED, 2)


def test_texts_that_become_other_tokens_are_named_with_the_tokenizers(tmp_path: Path) -> None:
    """Their stage comes before all that are run from what is given, and diffusers has not called them."""
    rows = tokenized()
    other = (*rows["tokenizer_2"][:3], rows["tokenizer_2"][0], *rows["tokenizer_2"][4:])
    take = take_of(tmp_path, bent={DECODED: louder})
    assert judged(tmp_path, replace(take, tokens=dict(rows))).stage == DECODED
    answer = judged(tmp_path, replace(take, tokens={**rows, "tokenizer_2": other}))
    assert (answer.status, answer.stage) == (FAILED, of_call(T5_TOKENS, OF_TEXTS))
    assert ("'Un caf\\xe9" in answer.sentence, "more text" in answer.sentence) == (True, False)
    two = (*other[:5], rows["tokenizer_2"][0], *other[6:])
    assert not unsaid(judged(tmp_path, replace(take, tokens={**rows, "tokenizer_2": two})).sentence, "1 more text")
    assert "Most likely transformers or tokenizers." in answer.sentence


def test_a_tokenizer_that_made_nothing_of_any_text_is_wrong(tmp_path: Path) -> None:
    """Each of the texts is told of; a prompt's own tokens that are wrong come first."""
    take = replace(take_of(tmp_path, bent={T5_TOKENS: lambda values: values + 1}), tokens={"tokenizer": ()})
    answer = judged(tmp_path, take)
    assert (answer.stage, f"'{CLIP_TOKENS}, {OF_TEXTS}'" in answer.sentence) == (T5_TOKENS, True)
    assert f"{len(TEXTS) - 1} more texts" in judged(tmp_path, replace(take_of(tmp_path), tokens=take.tokens)).sentence


def test_one_value_that_is_far_off_is_enough(tmp_path: Path) -> None:
    """The mean over all values would hide it."""

    def one(values: Any) -> Any:
        bent = values.copy()
        bent[3, 5] += 4
        return bent

    answer = judged(tmp_path, take_of(tmp_path, bent={output_of(1): one}))
    assert (answer.status, answer.stage) == (FAILED, output_of(1))
    assert answer.numbers["share of tolerance"] > 1
    assert answer.limit is not None
    assert not unsaid(answer.sentence, f"the limit is {answer.limit.value:.2g}")


def test_the_first_of_several_is_named_first(tmp_path: Path) -> None:
    """In the order of the pipeline, whatever lies farthest."""
    answer = judged(tmp_path, take_of(tmp_path, bent={DECODED: lambda values: -values, T5: louder}))
    assert (answer.stage, answer.numbers["wrong"]) == (T5, 2)


def test_a_stage_that_is_not_finite_is_wrong(tmp_path: Path) -> None:
    """NaN is no distance at all."""
    answer = judged(tmp_path, take_of(tmp_path, bent={DECODED: lambda values: values * np.nan}))
    assert (answer.status, answer.stage) == (FAILED, DECODED)


def test_a_stage_that_was_passed_over_is_wrong(tmp_path: Path) -> None:
    """A loop that ends early has no second step."""
    answer = judged(tmp_path, take_of(tmp_path, without=after_step(2)))
    assert (answer.status, answer.stage) == (FAILED, after_step(2))
    assert answer.suspects == "diffusers' pipeline, which calls it, or diffusers' scheduler"


def test_another_dtype_than_the_strategys_is_wrong(tmp_path: Path) -> None:
    """Numbers that are nearer than bfloat16 could be are no excuse."""
    answer = judged(tmp_path, take_of(tmp_path, dtype="float32"), "full")
    assert (answer.status, "is float32, not bfloat16" in answer.sentence) == (FAILED, True)


def test_more_tokens_than_asked_for_are_wrong_but_where_a_strategy_says_so(tmp_path: Path) -> None:
    """Padding to 256 is what staged-256-tokens promises."""

    def padded(values: Any) -> Any:
        return np.concatenate([values, np.zeros(192)])

    take = take_of(tmp_path, bent={T5_TOKENS: padded})
    assert (judged(tmp_path, take).status, judged(tmp_path, take, "staged-256-tokens").status) == (FAILED, PASSED)
    assert judged(tmp_path, take, "vae-tiling").status == FAILED  # it counts tiles, and says nothing of tokens


def test_fewer_tokens_than_the_default_are_wrong_but_where_a_strategy_says_so(tmp_path: Path) -> None:
    """256 where the pipeline's authors chose 512."""
    stage = of_call(T5_TOKENS, SEVERAL)
    take = take_of(tmp_path, bent={stage: lambda values: values[:, :256]})
    answers = [judged(tmp_path, take, name) for name in ("full", "staged-256-tokens")]
    assert [answer.status for answer in answers] == [FAILED, PASSED]
    assert answers[0].stage == stage


@pytest.mark.parametrize(("changed", "status"), [(None, PASSED), (5, FAILED)])
def test_a_longer_prompt_goes_on_where_the_oracles_is_cut_off(tmp_path: Path, changed: int | None, status: str) -> None:
    """What 256 tokens have beyond our 64 nobody says; what comes before the cut is held."""

    def longer(values: Any) -> Any:
        more = np.concatenate([values[:, :-1], np.full((1, 70), 9.0), np.zeros((1, 123))], axis=1)
        if changed is not None:
            more[0, changed] += 1
        return more

    stage = of_call(T5_TOKENS, WHOLE)
    take = take_of(tmp_path, bent={stage: longer})
    assert judged(tmp_path, take, "staged-256-tokens").status == status
    assert judged(tmp_path, take).stage == stage  # without such a promise


@pytest.mark.parametrize("stage", [NOISE, T5, output_of(3), DECODED, PICTURE])
def test_a_stage_of_several_pictures_is_named_as_such(tmp_path: Path, stage: str) -> None:
    """Two pictures that have changed places."""
    name = of_call(stage, SEVERAL)
    answer = judged(tmp_path, take_of(tmp_path, bent={name: lambda values: np.roll(values, len(values) // 2, axis=0)}))
    assert (answer.status, answer.stage, answer.numbers["wrong"]) == (FAILED, name, 1)


def test_a_picture_may_be_made_in_its_dtype_or_in_a_wider_one(tmp_path: Path) -> None:
    """But no level is cut off where it should be rounded: that is half a level on average."""
    decoded = given().inputs[DECODED].astype(np.float64)
    shares: list[Any] = [
        bfloat16.to_floats(bfloat16.to_bits((decoded / 2 + 0.5).astype(np.float32))),
        decoded / 2 + 0.5,
    ]
    ways = [np.clip(each, 0, 1) * 255 for each in shares]

    def of(levels: Any) -> Verdict:
        return judged(tmp_path, take_of(tmp_path, bent={PICTURE: lambda _: levels.transpose(1, 2, 0)}))

    assert [of(np.round(way)).status for way in ways] == [PASSED, PASSED]
    assert [of(np.floor(way)).stage for way in ways] == [PICTURE, PICTURE]


@pytest.mark.parametrize(("most", "status"), [(1.0, PASSED), (0.8, FAILED), (1.05, FAILED)])
def test_a_decoder_may_cut_off_what_no_picture_shows(tmp_path: Path, most: float, status: str) -> None:
    """Beyond -1 and 1; within them it may change nothing."""
    found = judged(tmp_path, take_of(tmp_path, bent={DECODED: lambda values: np.clip(values, -most, most)}))
    assert found.status == status, found.sentence


def test_an_array_is_no_picture(tmp_path: Path) -> None:
    """Though it has the same numbers, from 0 to 1."""
    take, tensors = take_of(tmp_path), read_tensors(tmp_path / FILE)
    levels = (tensors[PICTURE].values / 255).astype(np.float32)
    write_tensors(tmp_path / FILE, {**tensors, PICTURE: stored(levels)})
    digest = hashlib.sha256(f"torch.float32 {levels.shape}\n".encode() + levels.tobytes()).hexdigest()
    array = [replace(one, dtype="float32", sha256=digest) if one.stage == PICTURE else one for one in take.stages]
    answer = judged(tmp_path, replace(take, stages=tuple(array)))
    assert (answer.status, answer.stage, answer.numbers["wrong"]) == (FAILED, PICTURE, 1)
    assert "an array of float32" in answer.sentence


def test_a_decoder_that_decodes_in_tiles_is_held_to_our_own_tiles(tmp_path: Path) -> None:
    """And one that does not, to the whole picture."""
    name = of_call(DECODED, SEVERAL)
    tiles = given().variants[f"tiled/{name}"]
    take = take_of(tmp_path, bent={name: lambda _: tiles})
    answers = [judged(tmp_path, replace(take, tiled=tiled), "vae-tiling") for tiled in (True, False)]
    assert [(answer.status, answer.stage) for answer in answers] == [(PASSED, None), (FAILED, name)]


def test_a_layer_that_was_called_too_often_is_named(tmp_path: Path) -> None:
    """With how often it was due; no stage's numbers are wrong."""
    names = ("transformer.single_transformer_blocks.0.proj_out", "transformer.single_transformer_blocks.1.proj_out")
    take = replace(take_of(tmp_path), miscounted=dict.fromkeys(names, (2, 4)))
    answer = judged(tmp_path, take)
    assert (answer.status, answer.stage, answer.numbers["wrong"]) == (FAILED, None, 1)
    assert not unsaid(answer.sentence, names[0], "4 times, not 2", "1 more of its layers")


@pytest.mark.parametrize(
    ("network", "stage", "who"),
    [
        ("text_encoder", POOLED, "transformers"),
        ("text_encoder_2", T5, "transformers"),
        ("transformer", output_of(1), "diffusers' transformer or torch"),
        ("vae", DECODED, "diffusers' VAE or torch"),
    ],
)
def test_whoever_calls_a_layer_too_often_is_told_by_its_network(
    tmp_path: Path, network: str, stage: str, who: str
) -> None:
    """At the stage where its work shows: its numbers are right, so that the call is suspected first."""
    answer = judged(tmp_path, replace(take_of(tmp_path), miscounted={f"{network}.layers.0": (1, 2)}))
    assert (answer.status, answer.suspects) == (FAILED, f"diffusers' call of it or {who}")
    assert not unsaid(answer.sentence, f"'{stage}'", f"{network}.layers.0", "2 times, not 1")
    assert "more of its layers" not in answer.sentence


@pytest.mark.parametrize(
    ("strategy", "layer", "calls", "status"),
    [
        ("pyramid-attention-broadcast", "attn.to_q", 1, PASSED),
        ("pyramid-attention-broadcast", "attn.to_q", 3, FAILED),
        ("pyramid-attention-broadcast", "proj_mlp", 1, FAILED),
        ("taylorseer-cache", "attn.to_q", 1, FAILED),
        ("full", "attn.to_q", 1, FAILED),
    ],
)
def test_an_attention_may_be_left_out_once_by_the_cache_that_repeats_it(
    tmp_path: Path, strategy: str, layer: str, calls: int, status: str
) -> None:
    """In the second step of two, which no other cache answers from memory; and nothing but attentions."""
    form = REPEATING_CACHE if strategy == "pyramid-attention-broadcast" else FORETELLING_CACHE
    own = {name.partition("/")[2]: each for name, each in given().variants.items() if name.startswith(f"{form}/")}
    bent = {} if strategy == "full" else {name: partial(instead, each) for name, each in own.items()}
    take = take_of(tmp_path, bent=bent)
    seen = replace(take, miscounted={f"transformer.single_transformer_blocks.0.{layer}": (2, calls)})
    assert judged(tmp_path, seen, strategy).status == status


@pytest.mark.parametrize(
    ("layer", "calls", "status"),
    [
        ("transformer.encoder_hid_proj.layers.0", 1, PASSED),
        ("transformer.encoder_hid_proj.layers.0", 0, FAILED),
        ("transformer.encoder_hid_proj.layers.0", 3, FAILED),
        ("transformer.transformer_blocks.0.attn", 1, FAILED),
        ("text_encoder_2.final_layer_norm", 1, FAILED),
    ],
)
def test_what_is_the_same_in_each_step_may_be_made_once(tmp_path: Path, layer: str, calls: int, status: str) -> None:
    """A picture's tokens are; what a block is given is not, and an encoder has no steps."""
    assert judged(tmp_path, replace(take_of(tmp_path), miscounted={layer: (2, calls)})).status == status


def test_gradients_are_wrong(tmp_path: Path) -> None:
    """What flows between stages is kept for no backward pass."""
    take = take_of(tmp_path)
    stages = tuple(replace(each, gradients=each.stage == output_of(1)) for each in take.stages)
    assert judged(tmp_path, replace(take, stages=stages)).stage == output_of(1)


def test_a_call_that_ended_early_fails_with_its_error(tmp_path: Path) -> None:
    """At the first stage that is not there."""
    take = replace(take_of(tmp_path, without=PICTURE), error="ValueError: no such thing")
    answer = judged(tmp_path, take)
    assert (answer.status, answer.stage, "no such thing" in answer.sentence) == (FAILED, PICTURE, True)
    assert (answer.numbers["stages"], answer.numbers["wrong"]) == (104, 1)


def test_no_stages_are_no_data(tmp_path: Path) -> None:
    """A run of an older Fluxgate has none."""
    assert judged(tmp_path, None).status == NO_DATA


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Numbers that are not those that were recorded prove nothing."""
    take = take_of(tmp_path)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    answer = judged(tmp_path, take)
    assert (answer.status, "cannot be judged" in answer.sentence) == (FAILED, True)


def quantized(*names: str) -> Inventory:
    sizes = {name: 750 if name in names else 0 for name in ("text_encoder", "text_encoder_2", "transformer", "vae")}
    kinds, settings = {"Linear4bit": 4}, {"quant_type": "nf4", "double_quant": "False"}
    return Inventory(
        {
            name: Component(
                name, "Model", {"uint8": 1000}, size, kinds if size else {}, {}, settings if size else {}, {}, None
            )
            for name, size in sizes.items()
        }
    )


def test_quantized_weights_are_expected_to_give_other_numbers(tmp_path: Path) -> None:
    """Those that our own quantizer leads to, and nearly as exactly: neither the file's nor another format's pass."""

    def numbers_of(form: str) -> dict[str, Any]:
        own = {name.partition("/")[2]: each for name, each in given().variants.items() if name.startswith(f"{form}/")}
        return {stage: lambda _, each=each: each for stage, each in own.items()}

    wrong = len(numbers_of("nf4")) - 1  # the last latents inherit what is wrong in each step

    both = quantized("transformer", "text_encoder_2")
    assert judged(tmp_path, take_of(tmp_path, bent=numbers_of("nf4")), "nf4", both).status == PASSED
    for bent in ({}, numbers_of("fp4")):
        answer = judged(tmp_path, take_of(tmp_path, bent=bent), "nf4", both)
        assert (answer.status, answer.stage, answer.numbers["wrong"]) == (FAILED, T5, wrong)
    assert judged(tmp_path, take_of(tmp_path, bent=numbers_of("nf4"))).numbers["wrong"] == wrong


def test_numbers_for_which_nothing_was_measured_are_no_data(tmp_path: Path) -> None:
    """Quantized weights of a strategy that promises none, and that has no control: the first such stage is named."""
    answer = judged(tmp_path, take_of(tmp_path), "full", quantized("transformer"))
    assert (answer.status, answer.numbers["stages"], answer.numbers["wrong"]) == (NO_DATA, 104, 0)
    assert not unsaid(answer.sentence, output_of(1), "not measured", "fluxgate.calibration.tolerances")


def test_the_quantizing_library_is_a_suspect_where_weights_are_quantized(tmp_path: Path) -> None:
    """And nowhere else."""
    take = take_of(tmp_path, bent={output_of(1): lambda values: -values})
    assert "bitsandbytes" in judged(tmp_path, take, "nf4", quantized("transformer")).sentence
    assert "bitsandbytes" not in judged(tmp_path, take).sentence


@pytest.mark.parametrize(
    ("bent", "sentence"),
    [
        ((T5,), "Each stage starts from what is given, so none inherits it. Run"),
        ((T5, LEVELS), "so none inherits it; 1 later stage wrong, too: 'noise levels'. Run"),
        (
            (T5, LEVELS, output_of(1), DECODED),
            "; 3 later stages wrong, too: 'noise levels', 'denoiser's output in step 1', 'decoded picture'. Run",
        ),
        ((T5, LEVELS, output_of(1), output_of(2), DECODED), "; 4 later stages wrong, too: 'noise levels', "),
    ],
)
def test_later_stages_that_are_wrong_are_named(tmp_path: Path, bent: tuple[str, ...], sentence: str) -> None:
    """Three of them at the most."""
    answer = judged(tmp_path, take_of(tmp_path, bent=dict.fromkeys(bent, lambda values: values * -1.5)))
    assert sentence in answer.sentence
    assert (", …." in answer.sentence) is (len(bent) > 4)
    assert (f"'{DECODED}'" in answer.sentence) is (len(bent) == 4)


def test_a_call_that_ended_early_fails_at_a_stage_that_was_wrong_before(tmp_path: Path) -> None:
    """It may be what ended it; else the first stage that was passed over."""
    early = {DECODED, PICTURE}
    whole = take_of(tmp_path, bent={output_of(1): louder})
    take = replace(whole, error="ValueError: no.", stages=tuple(one for one in whole.stages if one.stage not in early))
    answer = judged(tmp_path, take)
    assert answer.stage == output_of(1)
    assert not unsaid(answer.sentence, "ended early", output_of(1), "ValueError: no")
    whole = take_of(tmp_path)
    take = replace(whole, error="ValueError: no", stages=tuple(one for one in whole.stages if one.stage not in early))
    assert judged(tmp_path, take).stage == DECODED
    assert judged(tmp_path, replace(whole, error="ValueError: no")).stage == PICTURE


def test_a_call_that_ended_early_is_told_of_whoever_the_error_came_through(tmp_path: Path) -> None:
    """The stage in which it ended says less, unless one before it was wrong already."""
    whole, bent = take_of(tmp_path), take_of(tmp_path, bent={output_of(1): louder})
    for one, named in ((whole, "accelerate or diffusers"), (bent, "diffusers' transformer or torch")):
        stages = tuple(each for each in one.stages if each.stage != DECODED)
        take = replace(one, error="RecursionError", raised_in=("accelerate", "diffusers"), stages=stages)
        take_of(tmp_path, bent={} if one is whole else {output_of(1): louder})
        assert f"Most likely {named}." in judged(tmp_path, take).sentence


def test_last_latents_that_inherit_are_not_named_beside_what_they_inherit(tmp_path: Path) -> None:
    """A denoiser that is wrong in each step is; one that is wrong in a late step only is named by them."""
    whole = of_call(LAST_LATENTS, WHOLE)
    both, late = (
        judged(tmp_path, take_of(tmp_path, bent=dict.fromkeys(stages, lambda values: values * -1.5)))
        for stages in ((output_of(1), whole), (whole,))
    )
    assert (both.stage, both.numbers["wrong"], whole in both.sentence) == (output_of(1), 1, False)
    assert (late.stage, late.numbers["wrong"], "a later step's" in late.sentence) == (whole, 1, True)

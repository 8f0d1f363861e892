"""Tests of the naming of the first stage that differs, and of whom to suspect."""

from dataclasses import replace

import pytest

from fluxgate.compare.stages import (
    AFTERWARDS,
    CALL,
    ENCODER,
    FINISHED,
    TOKENIZER,
    StageDifference,
    first_difference,
    suspects,
)
from fluxgate.rendering import (
    DECODED,
    FIRST,
    LAST,
    MIDDLE,
    POOLED,
    STAGES,
    T5,
    Fingerprint,
    Inventory,
    encoded_for,
    tokenized_for,
    tokens_for,
)
from tests.runs.building import SUBJECT, fingerprint, inventory


def prints(*moved: str, without: str = "") -> dict[str, Fingerprint]:
    return {s: fingerprint("fox", s, value="b" if s in moved else "a") for s in STAGES if s != without}


def at(stage: str) -> StageDifference:
    return StageDifference("fox", stage, prints()[stage], prints(stage)[stage])


def suspected(difference: StageDifference, some: Inventory | None = None, *, hooks_cleared: bool = False) -> str:
    return suspects(difference, subject=SUBJECT, inventory=some, hooks_cleared=hooks_cleared)


@pytest.mark.parametrize("first", STAGES)
def test_the_first_stage_in_the_pipelines_order_is_named(first: str) -> None:
    """Everything after it differs too, and is not its own doing."""
    found = first_difference("fox", prints(), prints(*STAGES[STAGES.index(first) :]))
    assert found is not None
    assert (found.shot, found.stage) == ("fox", first)


def test_equal_or_unknown_stages_tell_nothing() -> None:
    """A stage that was not expected is passed over."""
    assert first_difference("fox", prints(), prints()) is None
    assert first_difference("fox", prints(without=T5), prints(T5)) is None
    assert first_difference("fox", {}, {}) is None


def test_a_stage_that_never_came_is_where_they_part() -> None:
    """A loop that ends one step early has no last step; what comes after it differs for that."""
    found = first_difference("fox", prints(), prints(DECODED, without=LAST))
    assert found is not None
    assert (found.stage, found.actual) == (LAST, None)
    unfinished = {stage: print_ for stage, print_ in prints().items() if stage in (T5, POOLED)}
    assert first_difference("fox", prints(), unfinished) is None


def test_pictures_that_moved_after_the_last_stage_point_there() -> None:
    """What is decoded alike and finished otherwise was rounded, or put into another order."""
    found = first_difference("fox", prints(), prints(), moved=True)
    assert found is not None
    assert (found.stage, found.place) == (FINISHED, "the finished picture")
    assert suspected(found).startswith("diffusers' image processor or")


def test_embeddings_of_another_length_are_the_pipelines_doing() -> None:
    """How many tokens are asked for is diffusers' business; what they become is transformers'."""
    found = at(T5)
    longer = replace(found, actual=replace(fingerprint("fox", T5), shape=(1, 7)))
    assert (found.reshaped, longer.reshaped) == (False, True)
    assert suspected(longer) == "diffusers or transformers or tokenizers"


def test_latents_name_their_step() -> None:
    """The step is part of the place."""
    found = StageDifference("fox", MIDDLE, None, replace(fingerprint("fox", MIDDLE), step=25))
    assert found.place == "the latents after the middle step (step 25)"


@pytest.mark.parametrize(
    ("stage", "library"),
    [
        (T5, "transformers or tokenizers or diffusers"),
        (POOLED, "transformers or tokenizers or diffusers"),
        (FIRST, "diffusers"),
        (LAST, "diffusers"),
        (DECODED, "diffusers' VAE or torch"),
    ],
)
def test_each_stage_has_its_library(stage: str, library: str) -> None:
    """The library that owns a stage is suspected first, whether or not an inventory was noted."""
    assert suspected(at(stage)) == suspected(at(stage), inventory()) == library


def test_quantized_and_hooked_components_widen_the_suspicion() -> None:
    """bitsandbytes is suspected where its layers are, hooks where they move weights and are not cleared."""
    heavy = replace(
        inventory().components["transformer"],
        quantized_bytes=9,
        module_classes={"Linear4bit": 3},
        hooks={"CpuOffload": 1},
    )
    some = Inventory({"transformer": heavy})
    told = "diffusers or bitsandbytes or the hooks that move its weights (CpuOffload)"
    assert suspected(at(FIRST), some) == told
    assert suspected(at(FIRST), some, hooks_cleared=True) == "diffusers or bitsandbytes"
    other = Inventory({"transformer": replace(heavy, module_classes={"GGUFLinear": 3}, hooks={})})
    assert suspected(at(FIRST), other) == "diffusers or the quantizing library"


def test_each_stage_has_its_component() -> None:
    """T5 is the last encoder, CLIP the first; the VAE decodes."""
    named = {"text_encoder": POOLED, "text_encoder_2": T5, "transformer": LAST, "vae": DECODED}
    one = inventory().components["transformer"]
    for name, stage in named.items():
        hooked = Inventory({name: replace(one, hooks={"CpuOffload": 1})})
        told = {each for each in STAGES if "CpuOffload" in suspected(at(each), hooked)}
        assert stage in told
        assert told.isdisjoint(set(named.values()) - {stage})


@pytest.mark.parametrize("stage", [T5, POOLED])
@pytest.mark.parametrize(
    ("moved", "within", "told"),
    [
        (3, TOKENIZER, "tokenizers or transformers"),
        (2, CALL, "diffusers' call of the tokenizer or of the encoder"),
        (1, ENCODER, "transformers"),
        (0, AFTERWARDS, "diffusers"),
    ],
)
def test_whose_doing_other_embeddings_are(stage: str, moved: int, within: str, told: str) -> None:
    """The first part of the encoder's work that differs names who did it, and acquits the others."""
    parts = [tokenized_for(stage), tokens_for(stage), encoded_for(stage)]
    theirs = {**prints(), **{part: fingerprint("fox", part) for part in parts}}
    ours = {**prints(stage), **{part: fingerprint("fox", part) for part in parts}}
    ours |= {part: fingerprint("fox", part, value="b") for part in parts[len(parts) - moved :]}
    found = first_difference("fox", theirs, ours)
    assert found is not None
    assert (found.stage, found.within, suspected(found)) == (stage, within, told)


def test_an_encoder_that_is_quantized_is_suspected_for_its_own_output_alone() -> None:
    """What is asked of a tokenizer does not depend on weights."""
    some = Inventory({"text_encoder_2": replace(inventory().components["transformer"], quantized_bytes=9)})
    assert suspected(replace(at(T5), within=ENCODER), some) == "transformers or the quantizing library"
    assert "quantizing" not in suspected(replace(at(T5), within=CALL), some)

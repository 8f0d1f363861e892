"""Tests of the naming of the first stage that differs, and of whom to suspect."""

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.compare.stages import departure, suspects
from fluxgate.rendering import DECODED, FIRST, LAST, MIDDLE, POOLED, STAGES, T5, Fingerprint, Rendering
from tests.judge.made import SUBJECT, made
from tests.runs.building import fingerprint, inventory


def prints(*moved: str, without: str = "") -> dict[str, Fingerprint]:
    return {s: fingerprint("fox", s, value="b" if s in moved else "a") for s in STAGES if s != without}


@pytest.fixture
def rendering(tmp_path: Path) -> Rendering:
    return made(tmp_path).rendering


@pytest.mark.parametrize("first", STAGES)
def test_the_first_stage_in_the_pipelines_order_is_named(rendering: Rendering, first: str) -> None:
    """Everything after it differs too, and is not its own doing."""
    moved = STAGES[STAGES.index(first) :]
    found = departure(prints(), prints(*moved), subject=SUBJECT, rendering=rendering)
    assert found is not None
    assert found.stage == first


def test_equal_or_unknown_stages_tell_nothing(rendering: Rendering) -> None:
    """A stage that only one of the two knows is passed over."""
    assert departure(prints(), prints(), subject=SUBJECT, rendering=rendering) is None
    assert departure(prints(without=T5), prints(T5), subject=SUBJECT, rendering=rendering) is None
    assert departure({}, {}, subject=SUBJECT, rendering=rendering) is None


def test_a_stage_that_never_came_is_where_they_part(rendering: Rendering) -> None:
    """A loop that ends one step early has no last step; what comes after it differs for that."""
    found = departure(prints(), prints(DECODED, without=LAST), subject=SUBJECT, rendering=rendering)
    assert found is not None
    assert (found.stage, found.suspects) == (LAST, "diffusers")
    unfinished = {stage: print_ for stage, print_ in prints().items() if stage in (T5, POOLED)}
    assert departure(prints(), unfinished, subject=SUBJECT, rendering=rendering) is None


def test_pictures_that_moved_after_the_last_stage_point_there(rendering: Rendering) -> None:
    """What is decoded alike and finished otherwise was rounded, or put into another order."""
    found = departure(prints(), prints(), subject=SUBJECT, rendering=rendering, moved=True)
    assert found is not None
    assert found.sentence.startswith("It first differs at the finished picture: most likely diffusers' image processor")


def test_embeddings_of_another_length_are_the_pipelines_doing(rendering: Rendering) -> None:
    """How many tokens are asked for is diffusers' business; what they become is transformers'."""
    ours = prints(T5)
    ours[T5] = replace(ours[T5], shape=(1, 7))
    found = departure(prints(), ours, subject=SUBJECT, rendering=rendering)
    assert found is not None
    assert found.suspects == "diffusers or transformers or tokenizers"


def test_latents_name_their_step(rendering: Rendering) -> None:
    """'after step k' is part of the place."""
    ours = prints(MIDDLE)
    ours[MIDDLE] = replace(ours[MIDDLE], step=25)
    found = departure(prints(), ours, subject=SUBJECT, rendering=rendering)
    assert found is not None
    assert found.sentence == "It first differs at the latents after the middle step (step 25): most likely diffusers."


@pytest.mark.parametrize(
    ("stage", "library"),
    [
        (T5, "transformers or tokenizers"),
        (POOLED, "transformers or tokenizers"),
        (FIRST, "diffusers"),
        (LAST, "diffusers"),
        (DECODED, "diffusers' VAE or torch"),
    ],
)
def test_each_stage_has_its_library(rendering: Rendering, stage: str, library: str) -> None:
    """The library that owns a stage is suspected first."""
    assert suspects(stage, subject=SUBJECT, rendering=rendering) == library
    assert suspects(stage, subject=SUBJECT, rendering=replace(rendering, inventory=None)) == library


def test_quantized_and_hooked_components_widen_the_suspicion(rendering: Rendering) -> None:
    """bitsandbytes is suspected where its layers are, hooks where they move weights."""
    some = inventory()
    heavy = replace(
        some.components["transformer"], quantized_bytes=9, module_classes={"Linear4bit": 3}, hooks={"CpuOffload": 1}
    )
    told = suspects(
        FIRST,
        subject=SUBJECT,
        rendering=replace(rendering, inventory=replace(some, components={"transformer": heavy})),
    )
    assert told == "diffusers or bitsandbytes or the hooks that move its weights (CpuOffload)"
    other = replace(heavy, module_classes={"GGUFLinear": 3}, hooks={})
    told = suspects(
        FIRST,
        subject=SUBJECT,
        rendering=replace(rendering, inventory=replace(some, components={"transformer": other})),
    )
    assert told == "diffusers or the quantizing library"


def test_each_stage_has_its_component(rendering: Rendering) -> None:
    """T5 is the last encoder, CLIP the first; the VAE decodes."""
    named = {"text_encoder": POOLED, "text_encoder_2": T5, "transformer": LAST, "vae": DECODED}
    one = inventory().components["transformer"]
    for name, stage in named.items():
        hooked = replace(inventory(), components={name: replace(one, hooks={"CpuOffload": 1})})
        there = replace(rendering, inventory=hooked)
        told = {each for each in STAGES if "CpuOffload" in suspects(each, subject=SUBJECT, rendering=there)}
        assert stage in told
        assert told.isdisjoint(set(named.values()) - {stage})

"""Who is suspected of what an inventory shows, and of what a stage does."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from fluxgate.compare.stages import AFTERWARDS, CALL, ENCODER, FINISHED, TOKENIZER, StageDifference
from fluxgate.judge.suspects import (
    joined,
    most_likely,
    movers,
    of_another_release,
    of_difference,
    of_effects,
    of_given_stage,
    of_phase,
    of_stage,
    of_whole_case,
)
from fluxgate.rendering import (
    DECODE,
    DECODED,
    DENOISE,
    ENCODE,
    FIRST,
    LAST,
    LOAD,
    POOLED,
    STAGES,
    T5,
    Component,
    Inventory,
    after_step,
    output_of,
)
from fluxgate.strategies.effects import Counted, Hooked, Layers, Placed, Quantized, Setting, Stored
from fluxgate.strategies.promise import Effect
from tests.runs.building import SUBJECT, fingerprint, inventory


def at(stage: str) -> StageDifference:
    return StageDifference("fox", stage, fingerprint("fox", stage), fingerprint("fox", stage, value="b"))


def suspected(difference: StageDifference, some: Inventory | None = None, *, hooks_cleared: bool = False) -> str:
    return of_difference(difference, subject=SUBJECT, inventory=some, hooks_cleared=hooks_cleared)


@pytest.mark.parametrize(
    ("effect", "component", "who"),
    [
        (Hooked("AlignDevicesHook"), "transformer", "accelerate"),
        (Hooked("CpuOffload"), "transformer", "diffusers or accelerate"),
        (Hooked("GroupOffloadingHook"), "transformer", "diffusers"),
        (Hooked("SomebodysHook"), "transformer", "diffusers or accelerate"),
        (Placed("meta"), "transformer", "diffusers or accelerate"),
        (Layers("Linear4bit"), "text_encoder_2", "bitsandbytes or transformers"),
        (Layers("GGUFLinear"), "transformer", "gguf or diffusers"),
        (Layers("QLinear"), "transformer", "optimum-quanto or diffusers"),
        (Quantized(), "transformer", "the quantizing library or diffusers"),
        (Setting("adapter", None), "transformer", "diffusers or peft"),
        (Setting("quant_type", "nf4"), "transformer", "bitsandbytes or diffusers"),
        (Setting("quant_type", "nf4"), "text_encoder_2", "bitsandbytes or transformers"),
        (Setting("group_stream", "on"), "transformer", "diffusers"),
        (Stored("bfloat16"), "text_encoder_2", "transformers"),
        (Stored("float8_e4m3fn"), "transformer", "diffusers"),
        (Counted("tiles decoded"), "tiles decoded", "diffusers"),
    ],
)
def test_an_effect_that_is_missing_names_who_makes_it(effect: Effect, component: str, who: str) -> None:
    """Hooks are accelerate's or diffusers', quantized layers bitsandbytes', weights those of whoever loads them."""
    assert of_effects([(effect, f"{component}: it is not there: none of 2")], SUBJECT) == who


@dataclass(frozen=True)
class OwnEffect:
    """What only its author knows."""

    def missing(self, inventory: Inventory, *, device: str) -> str | None:
        return f"no part of {len(inventory.components)} shows it on {device}"


def test_nobody_is_suspected_of_an_effect_of_ones_own() -> None:
    """Its makers are not known here; those of the other effects are named all the same."""
    missing = (OwnEffect(), "nothing of it shows")
    assert of_effects([missing], SUBJECT) == ""
    assert of_effects([missing, (Counted("tiles decoded"), "tiles decoded")], SUBJECT) == "diffusers"


def test_each_suspect_is_named_once() -> None:
    """Several missing effects may have one maker."""
    assert joined(["diffusers", "accelerate", "diffusers"]) == "diffusers or accelerate"


def test_a_sentence_names_nobody_where_nobody_is_suspected() -> None:
    """Nobody knows who makes an effect of one's own."""
    assert most_likely("diffusers or accelerate") == "Most likely diffusers or accelerate."
    assert most_likely("") == ""


def test_embeddings_of_another_length_are_the_pipelines_doing() -> None:
    """How many tokens are asked for is diffusers' business; what they become is transformers'."""
    longer = replace(at(T5), actual=replace(fingerprint("fox", T5), shape=(1, 7)))
    assert suspected(longer) == "diffusers or transformers or tokenizers"


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
    unpacked = Inventory({"transformer": replace(heavy, quantized_bytes=0, hooks={})})
    assert suspected(at(FIRST), unpacked) == "diffusers or bitsandbytes"
    named = {"GGUFLinear": "gguf", "QLinear": "optimum-quanto", "Linear8bitLt": "bitsandbytes"}
    for layers, library in {**named, "Linear": "the quantizing library"}.items():
        other = Inventory({"transformer": replace(heavy, module_classes={layers: 3}, hooks={})})
        assert suspected(at(FIRST), other) == f"diffusers or {library}"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_alone_suspects_whoever_works_in_it(stage: str) -> None:
    """As where pictures first differ there, hooks and all."""
    hooked = replace(inventory().components["transformer"], hooks={"CpuOffload": 1})
    some = Inventory(dict.fromkeys(("text_encoder", "text_encoder_2", "transformer", "vae"), hooked))
    found = of_stage(stage, SUBJECT, some)
    assert found == suspected(at(stage), some)
    assert ("CpuOffload" in found) is (stage != FINISHED)


def test_what_computes_an_adapter_is_suspected_where_there_is_one() -> None:
    """In the stages of the component that has it, and where an effect of it is missing."""
    adapted = replace(inventory().components["transformer"], settings={"adapter": "one"})
    assert suspected(at(FIRST), Inventory({"transformer": adapted})) == "diffusers or peft"
    assert suspected(at(T5), Inventory({"transformer": adapted})) == suspected(at(T5))
    assert of_given_stage(output_of(1), adapted) == "diffusers' transformer or torch or peft"


@pytest.mark.parametrize(("hook", "who"), [("CpuOffload", ["accelerate"]), ("GroupOffloadingHook", [])])
def test_weights_are_moved_by_whoever_has_hooks(hook: str, who: list[str]) -> None:
    """diffusers is at work in any case, and where no inventory was noted nobody else is known."""
    hooked = replace(inventory().components["transformer"], hooks={hook: 1})
    assert movers(Inventory({"transformer": hooked})) == who
    assert movers(inventory()) == movers(None) == []


def test_a_pipeline_without_encoders_has_embeddings_of_nobody() -> None:
    """One that begins with a picture has none; whoever makes its stages is suspected all the same."""
    without = replace(SUBJECT, encoders=())
    for stage in STAGES:
        assert of_difference(at(stage), subject=without, inventory=inventory()) == suspected(at(stage))


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
    ("within", "who"),
    [
        (TOKENIZER, "tokenizers or transformers"),
        (CALL, "diffusers' call of the tokenizer or of the encoder"),
        (ENCODER, "transformers"),
        (AFTERWARDS, "diffusers"),
    ],
)
def test_whose_doing_other_embeddings_are(stage: str, within: str, who: str) -> None:
    """The first part of the encoder's work that differs names who did it, and acquits the others."""
    assert suspected(replace(at(stage), within=within)) == who


def test_a_finished_picture_is_the_image_processors() -> None:
    """What is decoded alike and finished otherwise was rounded, or put into another order."""
    assert suspected(StageDifference("fox", FINISHED, None, None)).startswith("diffusers' image processor or")


def test_an_encoder_that_is_quantized_is_suspected_for_its_own_output_alone() -> None:
    """What is asked of a tokenizer does not depend on weights."""
    some = Inventory({"text_encoder_2": replace(inventory().components["transformer"], quantized_bytes=9)})
    assert suspected(replace(at(T5), within=ENCODER), some) == "transformers or the quantizing library"
    assert "quantizing" not in suspected(replace(at(T5), within=CALL), some)


@pytest.mark.parametrize(
    ("stage", "who"),
    [
        (T5, "transformers"),
        (after_step(1), "diffusers' scheduler"),
        (FIRST, "diffusers' pipeline"),
        (output_of(1), "diffusers' transformer or torch or bitsandbytes or accelerate or diffusers' hooks"),
    ],
)
def test_a_stage_that_starts_from_what_is_given_suspects_what_works_in_it_alone(stage: str, who: str) -> None:
    """The inputs are given, so that no earlier stage can have done it."""
    hooks = {"AlignDevicesHook": 2, "GroupOffloadingHook": 1}
    one = replace(
        inventory().components["transformer"], quantized_bytes=9, module_classes={"Linear4bit": 3}, hooks=hooks
    )
    assert of_given_stage(stage, one if stage == output_of(1) else None) == who


@pytest.mark.parametrize(
    ("suspects", "moved"),
    [
        ("transformers or tokenizers or torch", ("transformers 5.17.0 → 5.23.0",)),
        ("diffusers' scheduler or diffusers' transformer", ("diffusers 0.42.1 → 0.43.0",)),
        ("torch or the quantizing library", ()),
    ],
)
def test_a_suspect_of_another_release_has_both_releases(suspects: str, moved: tuple[str, ...]) -> None:
    """Each library once, whatever part of it is suspected; a local part makes no other release."""
    accepted = {"transformers": "5.17.0", "diffusers": "0.42.1", "torch": "2.11.0"}
    now = {"transformers": "5.23.0", "diffusers": "0.43.0", "torch": "2.11.0+cu130", "tokenizers": "0.23.3"}
    assert of_another_release(suspects, accepted=accepted, now=now) == moved


def quantized(name: str, module: str, **said: str) -> Inventory:
    """One component whose layers are quantized."""
    return Inventory({name: Component(name, "M", {"int8": 8}, 8, {module: 1}, {}, {}, {}, None, said=said)})


@pytest.mark.parametrize(
    ("module", "said", "who"),
    [
        ("Linear4bit", {}, "bitsandbytes"),
        ("Linear", {"quantizer": "torchao"}, "torchao"),
        ("Linear", {}, "the quantizing library"),
    ],
)
def test_whoever_quantized_can_have_done_anything_in_the_case(module: str, said: dict[str, str], who: str) -> None:
    """By the name of the layers, or by what their weights say."""
    assert of_whole_case(quantized("transformer", module, **said)) == ["diffusers", "transformers", who]


@pytest.mark.parametrize(
    ("phase", "who"),
    [
        (LOAD, ["diffusers", "transformers", "bitsandbytes"]),
        ("whole", ["diffusers", "transformers", "bitsandbytes"]),
        (ENCODE, ["diffusers", "transformers"]),
        (DENOISE, ["diffusers", "bitsandbytes"]),
        (DECODE, ["diffusers", "bitsandbytes"]),
    ],
)
def test_a_phase_is_of_those_that_compute_in_it(phase: str, who: list[str]) -> None:
    """Where the denoiser alone is quantized."""
    assert of_phase((phase,), SUBJECT, quantized("transformer", "Linear4bit")) == who

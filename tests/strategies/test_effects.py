"""Tests of the effects, on inventories of GPUs written by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fluxgate.rendering import Component, Inventory
from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.effects import (
    ALIVE,
    DENOISER,
    ENCODERS,
    LARGE,
    LARGE_ENCODERS,
    STAYING,
    SUBJECT_DTYPE,
    Cast,
    Counted,
    Hooked,
    Layers,
    OneStageAtATime,
    Placed,
    Quantized,
    Stored,
    for_subject,
)
from fluxgate.subjects.subject import InputPicture, Shot, Subject
from tests.strategies.inventories import BYTES, GONE, HALF, SOUND, changed, component, counted, plain
from tests.strategies.machines import CPU, NEW
from tests.strategies.named import strategy_named
from tests.wording import unsaid

FULL = strategy_named("full")
SUBJECT = Subject("small", "a small pipeline", "folder:.", ())


def missing(name: str, inventory: Inventory, *, device: str = "cuda") -> list[str]:
    effects = (for_subject(effect, SUBJECT) for effect in strategy_named(name).promise.effects)
    missing = (effect.missing(inventory, device=device) for effect in effects)
    return [sentence for sentence in missing if sentence]


@pytest.mark.parametrize("name", [strategy.name for strategy in STRATEGIES])
def test_a_strategy_that_worked_has_nothing_to_complain_of(name: str) -> None:
    """What a GPU shows of a strategy that did as it says satisfies all of its effects."""
    assert missing(name, SOUND[name]) == []


@pytest.mark.parametrize("name", [strategy.name for strategy in STRATEGIES if strategy.name != "full"])
def test_the_plain_pipeline_satisfies_no_strategy(name: str) -> None:
    """A strategy that silently did nothing is noticed, whichever it is."""
    assert missing(name, plain())


@pytest.mark.parametrize("name", ["full", "group-offload-block", "model-offload", "lora-unloaded"])
def test_a_component_without_weights_is_asked_for_nothing(name: str) -> None:
    """There is nothing that could be hooked, placed or stored."""
    sound = SOUND[name]
    guard = replace(component("vae"), name="guard", bytes_by_dtype={}, module_classes={}, placement={})
    assert missing(name, replace(sound, components={**sound.components, "guard": guard})) == []


@pytest.mark.parametrize("name, inventory, sentence", GONE)
def test_an_effect_that_is_gone_is_named(name: str, inventory: Inventory, sentence: str) -> None:
    """The sentence says which component, what it shows and what was expected."""
    assert sentence in missing(name, inventory)


def test_every_strategy_that_needs_a_gpu_is_seen_without_its_effect() -> None:
    """None is left out of the table; those that run on a CPU are seen so there, in earnest."""
    needing = {strategy.name for strategy in STRATEGIES if strategy.unsupported(SUBJECT, CPU, NEW)}
    assert needing <= {name for name, *_ in GONE}


def test_placement_is_not_asked_of_a_cpu() -> None:
    """On a CPU there is one place only, but for weights that were taken out of the modules and stayed there."""
    assert Placed("cpu").missing(plain(), device="cuda") is not None
    assert Placed("cpu").missing(plain(), device="cpu") is None
    assert not unsaid(str(Placed("meta").missing(plain(), device="cpu")), "0.0%", "on meta")


@pytest.mark.parametrize("quantized, missed", [(12, False), (11, True)])
def test_one_quantized_layer_too_few_is_noticed(quantized: int, missed: bool) -> None:
    """Of a T5 of two layers, twelve of fourteen are quantized: `wo` is left as it is."""
    kinds = {"Linear8bitLt": quantized, "Linear": 14 - quantized}
    part = replace(component("text_encoder_2"), module_classes=kinds)
    sentence = Layers("Linear8bitLt", of=("text_encoder_2",)).missing(Inventory({"text_encoder_2": part}), device="cpu")
    assert bool(sentence) is missed


def test_a_count_that_only_a_gpu_takes_is_not_asked_of_a_cpu() -> None:
    """Blocks on the GPU at once are no question there."""
    effect = Counted("blocks on GPU at once", at_most=1, gpu_only=True)
    assert effect.missing(Inventory({}), device="cpu") is None
    assert not unsaid(effect.missing(Inventory({}), device="cuda"), "blocks on GPU at once", "not counted")


@pytest.mark.parametrize("number, missed", [(1, True), (2, False), (3, False), (4, True)])
def test_counts_are_judged_at_their_bounds(number: int, missed: bool) -> None:
    """Both bounds are allowed themselves."""
    effect = Counted("tiles decoded", at_least=2, at_most=3)
    assert bool(effect.missing(changed(counted(tiles_decoded=number)), device="cpu")) is missed


def test_a_component_that_is_missing_is_a_complaint() -> None:
    """An effect on a component that was never there does not pass for shown."""
    assert Hooked("CpuOffload", of=("unet",)).missing(plain(), device="cpu") == "unet: is not in the inventory"


def test_an_empty_inventory_is_a_complaint() -> None:
    """Nothing seen is nothing proved."""
    assert Stored("bfloat16").missing(Inventory({}), device="cpu") == "the inventory holds no component"


def test_roles_are_bound_to_the_subjects_own_names() -> None:
    """Large components, denoiser, encoders and dtype come from the subject."""
    subject = Subject(
        "other",
        "another pipeline",
        "folder:.",
        (),
        dtype="float16",
        large=("unet", "text_encoder_3"),
        denoiser="unet",
        encoders=("text_encoder", "text_encoder_3"),
    )
    assert for_subject(Hooked("x", of=LARGE), subject).of == ("unet", "text_encoder_3")
    assert for_subject(Hooked("x", of=DENOISER), subject).of == ("unet",)
    assert for_subject(Hooked("x", of=ENCODERS), subject).of == ("text_encoder", "text_encoder_3")
    assert for_subject(Hooked("x", of=LARGE_ENCODERS), subject).of == ("text_encoder_3",)
    assert for_subject(Stored(SUBJECT_DTYPE), subject).dtype == "float16"


def test_a_component_may_have_a_dtype_of_its_own() -> None:
    """Where the subject gives it one; in the subject's it is a fault then, as all others are in any but that."""
    wide = replace(component("vae"), bytes_by_dtype={"float32": BYTES})
    (_, effect, _) = (for_subject(one, replace(SUBJECT, dtypes={"vae": "float32"})) for one in FULL.promise.effects)
    assert effect.missing(replace(plain(), components={**plain().components, "vae": wide}), device="cpu") is None
    assert not unsaid(str(effect.missing(plain(), device="cpu")), "vae: 0.0% of its bytes are float32")
    assert for_subject(Stored("float32"), replace(SUBJECT, dtypes={"vae": "bfloat16"})).apart == ()


def test_float32_beside_float16_is_spared_where_said() -> None:
    """T5's wo stays in float32 in a float16 load; beside bfloat16 it is a fault."""
    half = changed(HALF)
    half = replace(half, components=half.components | {"text_encoder_2": mixed("float16")})
    assert Stored("float16", spared=True).missing(half, device="cpu") is None
    assert Stored("float16").missing(half, device="cpu") is not None
    full = replace(plain(), components=plain().components | {"text_encoder_2": mixed("bfloat16")})
    assert Stored("bfloat16", spared=True).missing(full, device="cpu") is not None


def test_what_cannot_be_quantized_does_not_count() -> None:
    """A UNet is mostly convolutions: all its linear layers may be quantized, and a tenth of its bytes."""
    unet = replace(component("transformer"), quantized_bytes=100_000, linear_bytes=100_000)
    effect = Quantized(of=("unet",), at_least=0.75)
    assert effect.missing(Inventory({"unet": unet}), device="cpu") is None
    few = replace(unet, linear_bytes=200_000)
    assert not unsaid(effect.missing(Inventory({"unet": few}), device="cpu"), "unet: 50.0%", "at least 75%")


@pytest.mark.parametrize("stored, missed", [(75_001, False), (74_999, True)])
def test_a_dtype_can_be_asked_of_linear_layers_alone(stored: int, missed: bool) -> None:
    """torchao leaves a UNet's convolutions as they are."""
    unet = replace(component("transformer"), bytes_by_dtype={"int8": stored, "bfloat16": BYTES}, linear_bytes=100_000)
    effect = Stored("int8", of=("unet",), at_least=0.75, of_linear=True)
    assert bool(effect.missing(Inventory({"unet": unet}), device="cpu")) is missed
    assert replace(effect, of_linear=False).missing(Inventory({"unet": unet}), device="cpu")


@pytest.mark.parametrize("stored, missed", [(564_301, False), (564_299, True)])
def test_a_cast_layer_too_few_is_noticed(stored: int, missed: bool) -> None:
    """Of 570,000 bytes that can be cast, 99% must be."""
    sizes = {"float8_e4m3fn": stored, "bfloat16": BYTES - stored}
    part = replace(component("transformer"), bytes_by_dtype=sizes, castable_bytes=570_000)
    effect = Cast("float8_e4m3fn", of=("transformer",))
    assert bool(effect.missing(Inventory({"transformer": part}), device="cpu")) is missed


def test_what_a_class_keeps_wide_is_of_the_right_dtype() -> None:
    """Wan's norms stay in float32 by its class's own word; any other weight in it is a fault."""
    part = replace(component("transformer"), bytes_by_dtype={"bfloat16": 700_000, "float32": 300_000})
    kept = replace(part, exempt_bytes={"float32": 300_000})
    for one, missed in ((part, True), (kept, False), (replace(kept, exempt_bytes={"float32": 280_000}), True)):
        assert bool(Stored("bfloat16").missing(Inventory({"transformer": one}), device="cpu")) is missed


def test_a_component_that_stays_is_not_asked_for_a_hook() -> None:
    """Whole offloading leaves Stable Diffusion's safety checker on the GPU, as its class says."""
    subject = replace(SUBJECT, pipeline="StableDiffusionPipeline")
    effect = for_subject(Hooked("CpuOffload", but=STAYING), subject)
    assert effect.but == ("safety_checker",)
    offloaded = replace(component("vae"), hooks={"CpuOffload": 1})
    inventory = Inventory({"vae": offloaded, "safety_checker": component("text_encoder")})
    assert effect.missing(inventory, device="cpu") is None
    assert replace(effect, but=()).missing(inventory, device="cpu") is not None


@pytest.mark.parametrize("name", ["sequential-offload", "model-offload"])
def test_offloading_is_not_asked_of_what_a_class_leaves_alone(name: str) -> None:
    """Both calls of the pipeline leave the safety checker on the GPU."""
    subject = replace(SUBJECT, pipeline="StableDiffusionPipeline")
    sound = SOUND[name]
    plain_one = replace(sound, components={**sound.components, "safety_checker": component("vae")})
    effects = [for_subject(effect, subject) for effect in strategy_named(name).promise.effects]
    assert [missing for effect in effects if (missing := effect.missing(plain_one, device="cuda"))] == []


def mixed(dtype: str) -> Component:
    return replace(component("text_encoder_2"), bytes_by_dtype={dtype: 600_000, "float32": 400_000})


def test_what_denoises_together_may_be_alive_together() -> None:
    """A ControlNet and, for the picture that it follows, the VAE stand beside the denoiser; else nothing may."""
    beside = Subject(
        "s",
        "s",
        "hub:o/n",
        (Shot("one", ("a fox",), 1, inputs=(InputPicture("image", "a.png", "0"),)),),
        pipeline="StableDiffusionXLControlNetPipeline",
        denoiser="unet",
    )
    alone = replace(beside, pipeline="StableDiffusionXLPipeline", shots=())
    for subject, most in ((beside, 3), (alone, 2)):
        effect = for_subject(OneStageAtATime(), subject)
        for number in (most, most + 1):
            inventory = replace(plain(), counts={ALIVE: number})
            assert (effect.missing(inventory, device="cpu") is None) is (number == most)


def test_slicing_takes_the_largest_batch_apart_picture_by_picture() -> None:
    """Of the shots that are rendered: slices of two pictures each are too few."""
    shots = tuple(Shot(f"{number}", ("a red circle",), seed=1, pictures_per_prompt=number) for number in (1, 4, 2))
    (effect,) = strategy_named("vae-slicing").promise.effects
    every, first = (for_subject(effect, replace(SUBJECT, shots=shots), *some) for some in ((), (shots[2:],)))
    assert [each.missing(SOUND["vae-slicing"], device="cpu") for each in (every, first)] == [None, None]
    halves = changed(counted(slices_decoded=2))
    assert "2, expected at least 4" in str(every.missing(halves, device="cpu"))
    assert first.missing(halves, device="cpu") is None

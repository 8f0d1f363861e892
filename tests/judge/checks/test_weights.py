"""Tests of the check that memory holds the file's weights: every way in which it may not, and what is right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.cases import Case
from fluxgate.judge.checks.weights import WRONG_CODES, WRONG_SCALES, odd_layers
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import FAILED, NO_DATA, PASSED, WEIGHTS, Verdict
from fluxgate.rendering import LOAD, TENSORS_NAMED, Component, Inventory, StoredWeights
from fluxgate.strategies.effects import Layers, Setting
from fluxgate.strategies.promise import Promise
from tests.judge.made import SUBJECT, made, strategy, verdict, with_rendering
from tests.wording import unsaid

SOUND = StoredWeights(10, 10, kinds={"bfloat16": 4})
NF4, FP4 = "nf4, blocks of 64", "fp4, blocks of 64"
BLOCKS = {f"encoder.block.{number}.q": NF4 for number in range(4)} | {"encoder.block.0.wo": "float32"}
QUANTIZED = StoredWeights(10, 5, layers=BLOCKS, kinds={NF4: 4, "float32": 1}, spared=("wo",))


def promises(kind: str = "nf4", *, double: str = "False", layer: str = "Linear4bit") -> Promise:
    of = ("transformer",)
    effects = (Layers(layer, of), Setting("quant_type", kind, of), Setting("double_quant", double, of))
    return Promise(approximates="full", changes_weights=True, effects=effects)


def judged(
    folder: Path,
    stored: StoredWeights | None,
    promise: Promise | None = None,
    *,
    name: str = "transformer",
    noted: bool = True,
    **changes: Any,
) -> Verdict:
    one = replace(strategy("full"), promise=promise or Promise())
    parts = Component(name, "T5EncoderModel", {}, 0, {"Linear4bit": 1}, {}, {}, {}, None)
    inventory = Inventory({name: replace(parts, **changes)}) if noted else None
    weights = {} if stored is None else {name: stored}
    found = Evidence(Case(SUBJECT, one, "cuda"), made(folder), run=folder)
    return verdict(with_rendering(found, weights=weights, inventory=inventory), WEIGHTS)


@pytest.mark.parametrize(("stored", "promise"), [(SOUND, None), (QUANTIZED, promises())])
def test_the_files_bytes_pass(tmp_path: Path, stored: StoredWeights, promise: Promise | None) -> None:
    """Plain, and quantized but for what the class keeps in float32."""
    answer = judged(tmp_path, stored, promise)
    assert (answer.status, answer.numbers["tensors"]) == (PASSED, 10)


@pytest.mark.parametrize(
    "change",
    [{"missing": ("a.weight",)}, {"made_up": ("a.weight",)}, {"differing": ("a.weight",)}],
)
def test_a_tensor_that_is_not_the_files_is_named(tmp_path: Path, change: dict[str, tuple[str, ...]]) -> None:
    """Missing, from nowhere, or with another bit."""
    answer = judged(tmp_path, replace(SOUND, **change))  # type: ignore[arg-type]  # a field of its own each time
    assert (answer.status, "a.weight" in answer.sentence) == (FAILED, True)


@pytest.mark.parametrize(
    ("name", "changes", "who"),
    [
        ("transformer", {}, "diffusers or bitsandbytes"),
        ("transformer", {"module_classes": {"Linear": 1}}, "diffusers or safetensors"),
        ("text_encoder_2", {"module_classes": {"Linear": 1}}, "transformers or safetensors"),
        ("transformer", {"noted": False}, "diffusers"),
    ],
)
def test_whoever_read_weights_is_suspected_of_wrong_ones(
    tmp_path: Path, name: str, changes: dict[str, Any], who: str
) -> None:
    """The library that loads the component, and the one that quantized it or read its file, where that is known."""
    answer = judged(tmp_path, replace(SOUND, differing=("a.weight",)), name=name, **changes)
    assert (answer.status, answer.stage, answer.suspects) == (FAILED, LOAD, who)
    assert answer.numbers == {"tensors": 10, "same": 10, "unread": 0}


def test_every_complaint_is_told(tmp_path: Path) -> None:
    """The first says what is wrong, and the others follow, counted."""
    answer = judged(tmp_path, replace(SOUND, missing=("a.weight",), made_up=("b.weight",), differing=("c.weight",)))
    assert not unsaid(answer.sentence, "a.weight", "2 further complaints", "b.weight", "c.weight")
    alone = judged(tmp_path, replace(SOUND, missing=("a.weight",))).sentence
    assert "further" not in alone


@pytest.mark.parametrize("number", [3, 4])
def test_of_many_tensors_three_are_named(tmp_path: Path, number: int) -> None:
    """And that there are more."""
    names = tuple(f"{letter}.weight" for letter in "abcd"[:number])
    answer = judged(tmp_path, replace(SOUND, missing=names))
    assert not unsaid(answer.sentence, f"{number} tensors", *names[:3])
    assert ("d.weight" in answer.sentence, "…" in answer.sentence) == (False, number > 3)


def test_of_very_many_tensors_the_number_is_not_known(tmp_path: Path) -> None:
    """A worker names twenty: that many are wrong at the least."""
    names = tuple(f"block.{number}.weight" for number in range(TENSORS_NAMED))
    many = replace(SOUND, tensors=500)
    missing, differing = (replace(many, missing=names), replace(many, differing=names))
    assert "20 tensors or more of the files are not" in judged(tmp_path, missing).sentence
    assert "at least 20 of 500 tensors are not" in judged(tmp_path, differing).sentence


def test_one_layer_that_was_skipped_is_named(tmp_path: Path) -> None:
    """Of hundreds: a share of layers would hide it."""
    layers = BLOCKS | {"encoder.block.2.q": "bfloat16"}
    stored = replace(QUANTIZED, layers=layers, kinds={NF4: 3, "bfloat16": 1, "float32": 1})
    for kind in ("T5EncoderModel", "SomethingElse"):
        answer = judged(tmp_path, stored, promises(), class_name=kind)
        assert (answer.status, "encoder.block.2.q is stored as bfloat16" in answer.sentence) == (FAILED, True)


def test_layers_that_a_class_of_its_own_leaves_out_are_no_fault(tmp_path: Path) -> None:
    """Of a class that we do not know, whole kinds of layers may stay plain."""
    stored = replace(QUANTIZED, layers=BLOCKS | {"proj": "bfloat16"}, kinds={NF4: 4, "bfloat16": 1, "float32": 1})
    assert judged(tmp_path, stored, promises(), class_name="SomethingElse").status == PASSED
    assert judged(tmp_path, stored, promises()).status == FAILED


def test_what_is_spared_may_differ_from_block_to_block(tmp_path: Path) -> None:
    """Where a promise says how layers are stored, it is what they are held to, and not each other."""
    layers = BLOCKS | {"encoder.block.1.wo": "float32", "encoder.block.2.wo": "bfloat16"}
    stored = replace(QUANTIZED, layers=layers, kinds={NF4: 4, "float32": 2, "bfloat16": 1})
    assert judged(tmp_path, stored, promises()).status == PASSED


def test_layers_that_are_not_as_their_like_are_named(tmp_path: Path) -> None:
    """Where no promise says how they are stored: a cast that left some of them out."""
    cast, changing = "float8_e4m3fn", Promise(approximates="full", changes_weights=True)
    layers = {f"b.{number}.q": cast for number in range(5)}
    kinds = {cast: 4, "bfloat16": 1}
    assert judged(tmp_path, replace(SOUND, layers=layers, kinds=kinds), changing).status == PASSED
    one = judged(tmp_path, replace(SOUND, layers=layers | {"b.1.q": "bfloat16"}, kinds=kinds), changing)
    assert (one.status, "b.1.q is stored as bfloat16" in one.sentence) == (FAILED, True)
    odd = {"b.1.q": "bfloat16", "b.3.q": "float16"}
    two = judged(tmp_path, replace(SOUND, layers=layers | odd, kinds=kinds), changing)
    assert not unsaid(two.sentence, "2 layers", "b.1.q", "b.3.q", "bfloat16 and float16")


def test_a_promise_for_another_component_says_nothing_of_this_one(tmp_path: Path) -> None:
    """It stays plain, whatever the other one is quantized to."""
    assert judged(tmp_path, SOUND, promises(), name="text_encoder_2").status == PASSED


def test_a_layer_that_was_quantized_by_half_is_wrong_in_any_strategy(tmp_path: Path) -> None:
    """One that changes weights, and does not say how, means no such thing either."""
    changing = Promise(approximates="full", changes_weights=True)
    stored = StoredWeights(10, 6, kinds={"bfloat16": 3, "bfloat16 in a Linear4bit": 1})
    assert judged(tmp_path, stored, changing).status == FAILED
    assert judged(tmp_path, replace(stored, kinds={"bfloat16": 3, "int8": 1}), changing).status == PASSED


def test_weights_are_judged_where_no_inventory_was_noted(tmp_path: Path) -> None:
    """What is known of them comes from the file."""
    assert judged(tmp_path, SOUND, noted=False).status == PASSED


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (FP4, promises()),
        (NF4, promises("fp4")),
        (f"{NF4}, double", promises()),
        (NF4, promises(double="True")),
        ("nf4, blocks of 128", promises()),
        ("bfloat16 in a Linear4bit", promises()),
        ("int8", promises()),
        ("bfloat16", promises(layer="Linear8bitLt")),
    ],
)
def test_what_is_stored_counts_not_what_was_asked_for(tmp_path: Path, kind: str, promise: Promise) -> None:
    """Another format in every layer."""
    answer = judged(tmp_path, StoredWeights(10, 0, kinds={kind: 4}), promise)
    assert (answer.status, kind in answer.sentence) == (FAILED, True)


def test_eight_bit_layers_have_their_threshold(tmp_path: Path) -> None:
    """Another one is another computation."""
    stored, promise = StoredWeights(10, 0, kinds={"int8": 4}), promises(layer="Linear8bitLt")
    assert judged(tmp_path, stored, promise, settings={"threshold": "6.0"}).status == PASSED
    assert judged(tmp_path, stored, promise, settings={"threshold": "0.0"}).status == FAILED


@pytest.mark.parametrize("kind", [NF4, "int8", "bfloat16 in a Linear4bit"])
def test_a_strategy_that_changes_no_weights_has_none_quantized(tmp_path: Path, kind: str) -> None:
    """Whatever its pictures look like."""
    assert judged(tmp_path, StoredWeights(10, 6, kinds={"bfloat16": 3, kind: 1})).status == FAILED


@pytest.mark.parametrize(("share", "status"), [(1e-4, PASSED), (WRONG_CODES, PASSED), (2e-3, FAILED)])
def test_wrong_codes_are_told(tmp_path: Path, share: float, status: str) -> None:
    """Beyond what rounding moves."""
    stored = replace(QUANTIZED, codes={"encoder.block.1.q": share})
    assert judged(tmp_path, stored, promises()).status == status


def test_scales_may_be_rounded(tmp_path: Path) -> None:
    """As far as float16 rounds them."""
    stored = replace(QUANTIZED, scales={"encoder.block.1.q": WRONG_SCALES})
    assert judged(tmp_path, stored, promises()).status == PASSED


def test_wrong_scales_are_told(tmp_path: Path) -> None:
    """Of one layer, by its name."""
    answer = judged(tmp_path, replace(QUANTIZED, scales={"encoder.block.1.q": 0.05}), promises())
    assert (answer.status, "the scales of encoder.block.1.q" in answer.sentence) == (FAILED, True)


@pytest.mark.parametrize(("error", "status"), [(2e-5, PASSED), (5e-4, FAILED)])
def test_an_offset_that_is_not_the_mean_of_the_scales_is_told(tmp_path: Path, error: float, status: str) -> None:
    """Beyond what a sum in float32 is off by."""
    answer = judged(tmp_path, replace(QUANTIZED, offsets={"encoder.block.1.q": error}), promises())
    assert (answer.status, "the offset of the scales of encoder.block.1.q" in answer.sentence) == (
        status,
        status == FAILED,
    )


def test_what_could_not_be_read_is_no_pass(tmp_path: Path) -> None:
    """Nor is a rendering of an older Fluxgate."""
    unread = judged(tmp_path, StoredWeights(10, 0, unread=10, kinds={"bfloat16": 4}))
    assert (unread.status, unread.numbers) == (NO_DATA, {"tensors": 10, "same": 0, "unread": 10})
    assert judged(tmp_path, None).status == NO_DATA


def test_layers_are_compared_with_their_like_in_other_blocks() -> None:
    """Not with other kinds of layers."""
    layers = {"b.0.q": "float8_e4m3fn", "b.1.q": "bfloat16", "b.2.q": "float8_e4m3fn", "b.0.norm": "bfloat16"}
    assert odd_layers(layers) == {"b.1.q": "bfloat16"}


@pytest.mark.parametrize(("adapts", "status"), [(True, PASSED), (False, FAILED)])
def test_an_adapter_lies_in_memory_where_it_was_promised(tmp_path: Path, adapts: bool, status: str) -> None:
    """One that should have been unloaded is named."""
    answer = judged(tmp_path, replace(SOUND, adapters=36), Promise(adapts=adapts))
    assert answer.status == status
    assert (unsaid(answer.sentence, "36 tensors of an adapter") == []) is not adapts


def test_what_is_well_is_counted_by_how_it_was_read(tmp_path: Path) -> None:
    """Bit for bit, by its format, and not at all: nothing is said of what there is none of."""
    plain = judged(tmp_path / "plain", SOUND).sentence
    assert not unsaid(plain, "10 tensors", "files' 10", "bit for bit")
    assert unsaid(plain, "format", "read", "first numbers") == ["format", "read", "first numbers"]
    mixed = judged(tmp_path / "mixed", replace(QUANTIZED, same=5, unread=2, whole=False), promises()).sentence
    assert not unsaid(mixed, "5 tensors", "files' 10", "3 as their format makes of them", "2 could not be read")
    assert not unsaid(mixed, "first numbers")

"""Tests of weights in memory beside their files: what is the same, what is not, and how layers are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from fluxgate.render.watch import stored  # noqa: E402
from fluxgate.render.watch.stored import stored_weights  # noqa: E402


class Block(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(128, 64)
        self.second = torch.nn.Linear(64, 128, bias=False)


class Model(torch.nn.Module):
    _keep_in_fp32_modules = ("second",)

    def __init__(self) -> None:
        super().__init__()
        self.blocks = torch.nn.ModuleList([Block(), Block()])
        self.register_buffer("positions", torch.arange(4), persistent=False)


@pytest.fixture
def model() -> Any:
    torch.manual_seed(3)
    return Model().to(torch.bfloat16)


@pytest.fixture
def folder(model: Any, tmp_path: Path) -> Path:
    save_file({name: tensor.clone() for name, tensor in model.state_dict().items()}, tmp_path / "model.safetensors")
    return tmp_path


def found(model: Any, folder: Path, *, dtype: str | None = None) -> Any:
    result = stored_weights(model, folder, dtype=dtype)
    assert result is not None
    return result


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float8_e4m3fn])
def test_the_files_bytes_are_the_same_in_any_dtype(model: Any, folder: Path, dtype: Any) -> None:
    """By our own conversion of the file's numbers."""
    result = found(model.to(dtype), folder)
    assert (result.tensors, result.same, result.unread) == (6, 6, 0)
    assert result.kinds == {str(dtype).removeprefix("torch."): 4}


def test_a_single_bit_is_seen(model: Any, folder: Path) -> None:
    """In the tensor that it is in."""
    model.blocks[1].second.weight.data.view(torch.int16)[3, 5] ^= 1
    assert found(model, folder).differing == ("blocks.1.second.weight",)


def test_a_detour_through_float8_is_seen(model: Any, folder: Path) -> None:
    """The dtype is the right one, the numbers are not."""
    weight = model.blocks[0].first.weight.data
    weight.copy_(weight.to(torch.float8_e4m3fn).to(torch.bfloat16))
    assert found(model, folder).differing == ("blocks.0.first.weight",)


def test_what_is_missing_and_what_is_made_up_are_told_apart(model: Any, folder: Path) -> None:
    """A layer that was made anew under another name is both."""
    model.blocks[0].third = torch.nn.Linear(128, 64, dtype=torch.bfloat16)
    del model.blocks[0].first
    model.extra = torch.nn.Parameter(torch.zeros(3))
    result = found(model, folder)
    assert result.missing == ("blocks.0.first.bias", "blocks.0.first.weight")
    assert set(result.made_up) == {"extra", "blocks.0.third.weight", "blocks.0.third.bias"}


def test_tied_weights_and_prefixes_are_no_fault(model: Any, folder: Path) -> None:
    """A second name for the same numbers, and names that a release begins otherwise."""
    model.tied = model.blocks[1].second
    outer = torch.nn.Module()
    outer.inner = model
    for one in (model, outer):
        result = found(one, folder)
        assert (result.same, result.missing, result.made_up) == (6, (), ())


def test_what_should_be_tied_and_is_not_was_made_up(model: Any, folder: Path) -> None:
    """A class says which names are tied; a tensor of its own must have the numbers that it would have then."""
    model.tied = torch.nn.Linear(64, 128, bias=False, dtype=torch.bfloat16)
    model._tied_weights_keys = {"tied.weight": "blocks.1.second.weight"}
    assert found(model, folder).made_up == ("tied.weight",)
    model.tied.weight.data.copy_(model.blocks[1].second.weight.data)
    assert found(model, folder).made_up == ()
    model.tied.weight.data[127, 63] += 1
    assert found(model, folder).made_up == ("tied.weight",)


def test_a_renamed_tree_is_no_fault(model: Any, folder: Path) -> None:
    """Its numbers are all there, by other names."""
    model.tower = torch.nn.Module()
    model.tower.layers = model.blocks
    del model.blocks
    result = found(model, folder)
    assert (result.same, result.missing, result.made_up) == (6, (), ())


def test_buffers_that_are_not_saved_are_expected_in_no_file(model: Any, folder: Path) -> None:
    """They are computed anew."""
    assert found(model, folder).made_up == ()


def test_a_component_without_files_is_not_compared(model: Any, tmp_path: Path) -> None:
    """A variant's file is not what is loaded."""
    (tmp_path / "model.fp16.safetensors").write_bytes(b"")
    assert stored_weights(model, tmp_path) is None
    assert stored_weights(model, tmp_path / "nothing") is None


def test_of_a_large_component_the_first_numbers_are_compared(
    model: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it says so."""
    monkeypatch.setattr(stored, "LARGE", 1000)
    monkeypatch.setattr(stored, "FIRST", 128)
    result = found(model, folder)
    assert (result.same, result.whole) == (6, False)
    model.blocks[0].first.weight.data[0, 0] += 1
    assert found(model, folder).differing == ("blocks.0.first.weight",)


def in_four_bits(model: Any, kind: str, *, double: bool = False) -> None:
    """Every first layer, by bitsandbytes."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    for block in model.blocks:
        layer = bitsandbytes.nn.Linear4bit(128, 64, quant_type=kind, compress_statistics=double)
        layer.weight = bitsandbytes.nn.Params4bit(
            block.first.weight.data, requires_grad=False, quant_type=kind, compress_statistics=double
        ).to("cpu")
        layer.bias = block.first.bias
        block.first = layer


@pytest.mark.parametrize(
    ("kind", "double", "name"),
    [
        ("nf4", False, "nf4, blocks of 64"),
        ("fp4", False, "fp4, blocks of 64"),
        ("nf4", True, "nf4, blocks of 64, double"),
    ],
)
def test_four_bit_layers_are_what_is_stored(model: Any, folder: Path, kind: str, double: bool, name: str) -> None:
    """By the table that they hold, and with codes and scales of the file's weights."""
    in_four_bits(model, kind, double=double)
    result = found(model, folder)
    assert result.kinds == {"bfloat16": 2, name: 2}
    assert (result.same, result.codes, result.scales, result.unread) == (4, {}, {}, 0)
    assert result.layers["blocks.1.first"] == name


def test_codes_that_are_packed_in_another_dtype_are_told(model: Any, folder: Path) -> None:
    """They are the same bits, which nobody asked to have as bfloat16."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    in_four_bits(model, "nf4")
    layer = model.blocks[0].first
    layer.weight = bitsandbytes.nn.Params4bit(
        bitsandbytes.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(torch.bfloat16),
        requires_grad=False,
        quant_type="nf4",
        compress_statistics=False,
        quant_storage=torch.bfloat16,
    ).to("cpu")
    result = found(model, folder)
    assert (result.layers["blocks.0.first"], result.codes) == ("nf4, blocks of 64, packed in bfloat16", {})


def test_a_table_that_is_not_the_one_asked_for_is_told(model: Any, folder: Path) -> None:
    """Whatever the weight's own quant_type says."""
    in_four_bits(model, "fp4")
    model.blocks[0].first.weight.quant_type = "nf4"
    model.blocks[0].first.weight.quant_state.quant_type = "nf4"
    assert found(model, folder).layers["blocks.0.first"] == "fp4, blocks of 64"


def test_a_layer_of_four_bits_that_was_never_quantized_is_told(model: Any, folder: Path) -> None:
    """It holds plain numbers, and computes with them."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    layer = bitsandbytes.nn.Linear4bit(128, 64)
    layer.weight = bitsandbytes.nn.Params4bit(model.blocks[0].first.weight.data, requires_grad=False)
    layer.bias = model.blocks[0].first.bias
    model.blocks[0].first = layer
    assert found(model, folder).layers["blocks.0.first"] == "bfloat16 in a Linear4bit"


def test_a_layer_that_was_unpacked_again_is_told(model: Any, folder: Path) -> None:
    """It holds plain numbers beside the state of its quantization."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    in_four_bits(model, "nf4")
    weight = model.blocks[1].first.weight
    weight.data = bitsandbytes.functional.dequantize_4bit(weight.data, weight.quant_state).to(torch.bfloat16)
    assert found(model, folder).layers["blocks.1.first"] == "bfloat16 in a Linear4bit"


def test_codes_and_scales_of_other_weights_are_told(model: Any, folder: Path) -> None:
    """Of the layer that they are in."""
    in_four_bits(model, "nf4")
    model.blocks[0].first.weight.data[7] ^= 0x55
    model.blocks[1].first.weight.quant_state.absmax[5] *= 1.1
    result = found(model, folder)
    assert (list(result.codes), list(result.scales)) == (["blocks.0.first"], ["blocks.1.first"])


def test_an_offset_of_double_quantization_that_is_rounded_is_told(model: Any, folder: Path) -> None:
    """Of the layer that it is in."""
    in_four_bits(model, "nf4", double=True)
    assert found(model, folder).offsets == {}
    model.blocks[0].first.weight.quant_state.offset *= 1 + 2**-10
    assert list(found(model, folder).offsets) == ["blocks.0.first"]


def test_of_the_first_numbers_no_offset_is_known(model: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the mean over all of a weight."""
    monkeypatch.setattr(stored, "LARGE", 1000)
    monkeypatch.setattr(stored, "FIRST", 128)
    in_four_bits(model, "nf4", double=True)
    assert found(model, folder).offsets == {}


def test_scales_that_were_saved_in_eight_bits_are_told(model: Any, folder: Path) -> None:
    """In bfloat16 they are the same: they are numbers of a weight in bfloat16."""
    in_four_bits(model, "nf4")
    state = model.blocks[1].first.weight.quant_state
    state.absmax = state.absmax.bfloat16().float()
    assert found(model, folder).scales == {}
    state.absmax = state.absmax.to(torch.float8_e4m3fn).float()
    assert found(model, folder).scales["blocks.1.first"] > 0.01


def test_int8_layers_are_what_is_stored(model: Any, folder: Path) -> None:
    """Codes and the scales of rows."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    for block in model.blocks:
        layer = bitsandbytes.nn.Linear8bitLt(128, 64, has_fp16_weights=False)
        layer.weight = bitsandbytes.nn.Int8Params(block.first.weight.data, requires_grad=False, has_fp16_weights=False)
        layer.bias = block.first.bias
        block.first = layer.to("cpu")
    result = found(model, folder)
    assert (result.kinds, result.codes, result.scales) == ({"bfloat16": 2, "int8": 2}, {}, {})
    model.blocks[0].first.weight.data[0, :] //= 2
    assert list(found(model, folder).codes) == ["blocks.0.first"]


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """The folder of a model of another one's shapes whose file is in float32."""
    torch.manual_seed(5)
    save_file(dict(Model().state_dict()), tmp_path / "model.safetensors")
    return tmp_path


def narrowed(folder: Path) -> Any:
    """The model of that folder as it is loaded in bfloat16."""
    model = Model()
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.to(torch.bfloat16)


def test_bytes_are_made_of_what_loading_has_left_of_the_file(wide: Path) -> None:
    """Rounded to bfloat16 before float8, a few numbers are others than those rounded once; another detour is seen."""
    model = narrowed(wide).to(torch.float8_e4m3fn)
    assert len(found(model, wide).differing) > 2
    assert found(model, wide, dtype="bfloat16").same == 6
    assert len(found(model.to(torch.float32), wide, dtype="bfloat16").differing) == 6


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_codes_are_made_of_what_loading_has_left_of_the_file(wide: Path, kind: str) -> None:
    """A number that was rounded to bfloat16 may lie nearer to another code; those of other weights are seen."""
    model = narrowed(wide)
    in_four_bits(model, kind)
    assert len(found(model, wide).codes) == 2
    result = found(model, wide, dtype="bfloat16")
    assert (result.codes, result.scales) == ({}, {})
    model.blocks[0].first.weight.data[7] ^= 0x55
    assert list(found(model, wide, dtype="bfloat16").codes) == ["blocks.0.first"]


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("model.layers.0.q.weight", "model.language_model.layers.0.q.weight"),
        ("language_model.model.layers.0.q.weight", "model.language_model.layers.0.q.weight"),
        ("language_model.model.layers.1.q.weight", None),
        ("text_model.layers.0.q.weight", "layers.0.q.weight"),
        ("model.visual.blocks.0.q.weight", "visual.blocks.0.q.weight"),
        ("model.q.weight", None),  # too little of a name is left to tell
    ],
)
def test_a_name_is_found_behind_another_beginning(name: str, own: str | None) -> None:
    """A part that a release puts between, leaves out, or puts before changes no weight."""
    names = ["model.language_model.layers.0.q.weight", "visual.blocks.0.q.weight", "model.visual.q.weight"]
    names += ["layers.0.q.weight"] if name.startswith("text_model") else []
    assert stored._matching(name, names) == own


class Adapted(torch.nn.Module):
    """A layer as peft makes one of a linear layer: that layer, and a LoRA beside it."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.base_layer = layer
        self.lora_A = torch.nn.ModuleDict({"name": torch.nn.Linear(128, 4, bias=False)})
        self.lora_B = torch.nn.ModuleDict({"name": torch.nn.Linear(4, 64, bias=False)})


def test_a_lora_is_counted_apart(model: Any, folder: Path) -> None:
    """The layer that it stands beside holds the file's bytes, and its own tensors are neither made up nor missing."""
    model.blocks[0].first = Adapted(model.blocks[0].first)
    result = found(model, folder)
    assert (result.tensors, result.same, result.missing, result.made_up) == (6, 6, (), ())
    assert result.adapters == 2

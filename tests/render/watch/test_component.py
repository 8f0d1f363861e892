"""Tests of the tensors of a component, taken apart and found where they wait."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.watch.component import (  # noqa: E402
    hooks_of_accelerate,
    lacks_scales,
    modules_of,
    plain_tensors,
    tensors_of,
    tensors_of_weight,
    values_of,
)
from tests.render.watch.modules import Flattened, four_bit, made  # noqa: E402


def test_only_neural_components_are_in_it() -> None:
    """Tokenizers, schedulers and what is None are left out; so is an object without components."""
    module = made()
    assert modules_of(SimpleNamespace(components={"a": module, "b": None, "c": "tokenizer"})) == {"a": module}
    assert modules_of(object()) == {}


def test_tensors_made_of_others_are_taken_apart() -> None:
    """Their parts go by names of their own, and count as quantized."""
    module = torch.nn.Module()
    weight = Flattened(torch.ones(4, 8, dtype=torch.int8), torch.ones(4))
    module.weight = torch.nn.Parameter(weight, requires_grad=False)
    assert [(name, quantized) for name, _, quantized in tensors_of(module)] == [
        ("weight.codes", True),
        ("weight.scale", True),
    ]
    assert [tuple(tensor.shape) for tensor in tensors_of_weight(module.weight)] == [(4, 8), (4,)]


def test_a_four_bit_weight_comes_with_its_scales() -> None:
    """Codes, scales and table; the bias is no part of it."""
    names = {name: quantized for name, _, quantized in tensors_of(torch.nn.Sequential(four_bit()))}
    assert names == {"0.weight": True, "0.weight.absmax": True, "0.weight.code": True, "0.bias": False}


def test_values_are_found_where_accelerate_lets_them_wait() -> None:
    """A module that is only shapes still has all of its data."""
    from accelerate import cpu_offload

    module, offloaded = made()[0], made()[0]
    cpu_offload(offloaded, torch.device("cpu"))
    assert {tensor.device.type for _, tensor, _ in tensors_of(offloaded)} == {"meta"}
    both = zip(plain_tensors(module), plain_tensors(offloaded), strict=True)
    assert all(torch.equal(one, other) for one, other in both)


@pytest.mark.parametrize(("waits", "known"), [("", False), ("0", False), ("0.inner", False), ("1", True)])
def test_values_of_a_part_wait_on_the_disk_with_whatever_it_is_in(waits: str, known: bool) -> None:
    """Its block's group, or the whole model's, is its own; that of the block beside it is not."""
    block = torch.nn.ModuleDict({"inner": torch.nn.Linear(2, 2)})
    module = torch.nn.ModuleList([block, torch.nn.Linear(2, 2)])
    hook = SimpleNamespace(group=SimpleNamespace(offload_to_disk_path="there"))
    module.get_submodule(waits)._diffusers_hook = SimpleNamespace(hooks={"group_offloading": hook})
    assert (values_of(module, "0.inner.weight", block["inner"].weight) is not None) is known


def test_hooks_in_a_sequence_are_hooks_of_their_own() -> None:
    """The sequence comes first."""
    part = SimpleNamespace(_hf_hook=SimpleNamespace(hooks=(1, 2)))
    assert list(hooks_of_accelerate(part))[1:] == [1, 2]
    assert list(hooks_of_accelerate(object())) == []


def test_a_weight_of_eight_bits_that_lost_its_scales_is_noticed() -> None:
    """Wherever bitsandbytes keeps them, before its first use and afterwards."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    layer = bitsandbytes.nn.Linear8bitLt(32, 32, has_fp16_weights=False)
    assert not lacks_scales(layer)  # nothing is quantized yet
    layer = layer.to("cpu")
    if layer.weight.dtype != torch.int8:
        pytest.skip("this release of bitsandbytes does not quantize to int8 on a CPU")
    assert not lacks_scales(layer)
    layer(torch.randn(2, 32, dtype=torch.bfloat16))
    assert not lacks_scales(layer)
    layer.weight.SCB = layer.state.SCB = None
    assert lacks_scales(layer)

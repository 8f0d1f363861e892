"""Real modules of every kind that a component may hold."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")


def made(seed: int = 0) -> Any:
    """Two linear layers in bfloat16 and a norm in float32 with buffers."""
    torch.manual_seed(seed)
    layers = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 64)).to(torch.bfloat16)
    return torch.nn.Sequential(layers, torch.nn.BatchNorm1d(64))


BF16 = 2 * (64 * 64 + 64) * 2
FP32 = 4 * 64 * 4


def four_bit(*, double: bool = False, kind: str = "nf4", seed: int = 0) -> Any:
    """A real 4-bit layer, quantized on the CPU."""
    bnb = pytest.importorskip("bitsandbytes")
    torch.manual_seed(seed)
    source = torch.nn.Linear(128, 128, dtype=torch.bfloat16)
    layer = bnb.nn.Linear4bit(
        128, 128, compute_dtype=torch.bfloat16, quant_type=kind, compress_statistics=double, device="meta"
    )
    layer.weight = bnb.nn.Params4bit(
        source.weight.data, requires_grad=False, quant_type=kind, compress_statistics=double
    ).to("cpu")
    layer.bias = source.bias
    return layer


Tensor: Any = torch.Tensor
Parameter: Any = torch.nn.Parameter


class Flattened(Tensor):
    """A tensor made of others, as torchao and quanto make them: one byte a number, and a scale for each row."""

    codes: Any
    scale: Any

    @staticmethod
    def __new__(cls, codes: Any, scale: Any) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, codes.shape, dtype=torch.bfloat16)

    def __init__(self, codes: Any, scale: Any) -> None:
        self.codes, self.scale = codes, scale

    def __tensor_flatten__(self) -> Any:
        return ["codes", "scale"], None

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0]


class GGUFParameter(Parameter):
    """Named as diffusers names its own, which makes one of whatever is computed from it, and wants rows of blocks."""

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        computed = super().__torch_function__(function, types, args, kwargs or {})
        if not isinstance(computed, torch.Tensor):
            return computed
        assert computed.shape[-1] % 34 == 0
        return torch.Tensor._make_subclass(cls, computed)

"""Linear layers as they are stored, and how far quantized ones lie from what our own quantizers make of the file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fluxgate import quantizers
from fluxgate.article import with_article
from fluxgate.quantizers import Deviation
from fluxgate.refusal import Refusal
from fluxgate.render.measure.class_names import class_name
from fluxgate.render.watch.as_numpy import bits_of, dtype_name, floats_of
from fluxgate.render.watch.component import tensors_of_weight
from fluxgate.tensors import Tensor

CHECKED = 1 << 15  # codes of each quantized layer, in blocks spread over it
LINEAR = ("Linear", "Linear4bit", "Linear8bitLt", "QLinear", "GGUFLinear")
# Of a step: half of one is rounding; where scales and numbers are bfloat16, a quarter each is what that makes of the
# largest number.
OFF = 1.1
Q8_0 = 8  # among GGUF's formats

Floats = NDArray[np.float32]


class QuantizedLayer(Protocol):
    """A layer whose codes can be held to the file's weight."""

    def deviation(self, tensor: Tensor) -> Deviation:
        """How far it lies from what its format makes of the weight.

        One that is laid out as in no release that we know may raise whatever numpy and torch do."""


@dataclass(frozen=True)
class FourBit:
    """A layer of bitsandbytes' that holds packed codes."""

    weight: Any

    def deviation(self, tensor: Tensor) -> Deviation:
        state = self.weight.quant_state
        table = quantizers.FOUR_BIT[quantizers.name_of_table(floats_of(state.code)) or "nf4"]
        block, scales = int(state.blocksize), _four_bit_scales(state)
        weight = _floats(tensor).reshape(-1)
        chosen = _spread(weight.size // block)
        codes = quantizers.unpacked(bits_of(self.weight.data).view(np.uint8)[: (weight.size + 1) // 2])
        blocks = (weight.reshape(-1, block)[chosen], codes[: weight.size].reshape(-1, block)[chosen])
        found = quantizers.four_bit(*blocks, scales[chosen], table=table, block=block)
        if not getattr(state, "nested", False):
            return found
        grain = 0.01 * float(floats_of(state.state2.absmax).max()) / max(float(np.abs(blocks[0]).max()), 1e-30)
        whole = weight.size == math.prod(state.shape)  # of the first numbers alone no mean is known
        offset = quantizers.offset_error(_in(state.dtype, weight), float(state.offset), block=block) if whole else 0.0
        return Deviation(found.codes, 0.0 if found.scales <= grain else found.scales, offset)


@dataclass(frozen=True)
class EightBit:
    """A layer of LLM.int8."""

    weight: Any
    scales: Any

    def deviation(self, tensor: Tensor) -> Deviation:
        codes, weight = bits_of(self.weight.data), _floats(tensor)
        width = codes.shape[1]
        rows = min(weight.size // width, max(1, CHECKED // width))
        weight = weight.reshape(-1)[: rows * width].reshape(rows, width)
        return quantizers.int8_rows(weight, codes[: len(weight)], floats_of(self.scales).reshape(-1)[: len(weight)])


@dataclass(frozen=True)
class Q8:
    """A layer of GGUF's kind Q8_0."""

    weight: Any

    def deviation(self, tensor: Tensor) -> Deviation:
        packed = bits_of(self.weight.data).reshape(-1, 34)
        weight = _floats(tensor).reshape(-1, 32)[:CHECKED]
        packed = packed[: len(weight)]
        scales = packed[:, :2].copy().view(np.float16).astype(np.float32).reshape(-1)
        found = quantizers.q8_0(weight, packed[:, 2:].copy().view(np.int8), scales)
        return Deviation(found.codes, 0.0 if found.scales < 2**-10 else found.scales)  # a scale is rounded to float16


@dataclass(frozen=True)
class OthersEightBit:
    """A layer of torchao's or quanto's with eight bits and a scale for each row: held by what it stands for."""

    weight: Any

    def deviation(self, tensor: Tensor) -> Deviation:
        width = self.weight.shape[-1]
        weight = _floats(tensor).reshape(-1, width)[: max(1, CHECKED // width)]
        stands_for = floats_of(self.weight.dequantize().reshape(-1, width)[: len(weight)])
        step = np.maximum(np.abs(weight).max(axis=1, keepdims=True), 1e-30) / 127
        near = np.abs(weight - stands_for) <= OFF * step  # NaN is near nothing
        return Deviation(float((~near).mean()), 0.0)


@dataclass(frozen=True)
class UnknownFormat:
    """A format of which we have no quantizer."""

    def deviation(self, tensor: Tensor) -> Deviation:
        raise Refusal("we have no quantizer of this format")


def _floats(tensor: Tensor) -> Floats:
    """A file's numbers."""
    return np.asarray(tensor.values.astype(np.float32))


def _in(dtype: Any, weight: Floats) -> Floats:
    """A weight rounded to the dtype that it was quantized from."""
    import torch

    return np.asarray(torch.from_numpy(weight).to(dtype).float().numpy())


def _four_bit_scales(state: Any) -> Floats:
    """Those of a 4-bit weight, with double quantization undone by our own hands."""
    if not getattr(state, "nested", False):
        return floats_of(state.absmax)
    nested = state.state2
    return quantizers.double_quantized(
        bits_of(state.absmax),
        floats_of(nested.code),
        floats_of(nested.absmax),
        float(state.offset),
        block=int(nested.blocksize),
    )


def _spread(blocks: int) -> NDArray[np.int64]:
    """The numbers of some blocks, the first and the last among them."""
    return np.unique(np.linspace(0, blocks - 1, min(blocks, CHECKED // 64)).astype(np.int64))


def quantized_layers(module: Any) -> Iterator[tuple[str, QuantizedLayer]]:
    """The layers whose codes we can hold to a quantizer of our own."""
    for name, part in module.named_modules():
        weight: Any = getattr(part, "_parameters", {}).get("weight")
        kind = class_name(weight)
        if kind == "Params4bit" and getattr(weight, "quant_state", None) is not None:
            yield name, FourBit(weight)
        elif kind == "Int8Params" and dtype_name(weight) == "int8":
            scales = getattr(weight, "SCB", None)
            yield name, EightBit(weight, scales if scales is not None else getattr(part.state, "SCB", None))
        elif kind == "GGUFParameter" and _gguf_type(weight) == Q8_0:
            yield name, Q8(weight)
        elif weight is not None and hasattr(weight, "__tensor_flatten__"):
            yield name, OthersEightBit(weight) if _in_bytes(weight) else UnknownFormat()


def _in_bytes(weight: Any) -> bool:
    """Whether a tensor of another package holds its numbers in eight bits each."""
    return any(dtype_name(inner) == "int8" for inner in tensors_of_weight(weight))


def _gguf_type(weight: Any) -> int | None:
    """The number by which GGUF knows a format."""
    number = getattr(weight, "quant_type", None)
    return None if number is None else int(number)


def linear_layers(module: Any) -> Iterator[tuple[str, str]]:
    """Every linear layer, and how it is stored: read from what there is, not from what was asked for."""
    for name, part in module.named_modules():
        if class_name(part) in LINEAR and part._parameters.get("weight") is not None:
            yield name, kind_of(part)


def kind_of(layer: Any) -> str:
    """`bfloat16`, `nf4, blocks of 64`, `fp4, blocks of 64, double`, `int8`, `bfloat16 in a Linear4bit`."""
    weight: Any = layer._parameters["weight"]
    outer = class_name(layer)
    dtype = dtype_name(weight)
    state = getattr(weight, "quant_state", None)
    if state is not None and weight.is_floating_point() and weight.numel() == math.prod(state.shape):
        return f"{dtype} in {with_article(outer)}"
    if state is not None:
        table = (
            quantizers.name_of_table(floats_of(state.code)) if state.code.device.type != "meta" else state.quant_type
        )
        double = ", double" if getattr(state, "nested", False) else ""
        packed = "" if dtype == "uint8" else f", packed in {dtype}"  # which only FSDP asks for
        return f"{table or 'an unknown 4-bit format'}, blocks of {state.blocksize}{double}{packed}"
    if class_name(weight) == "GGUFParameter":
        return "GGUF Q8_0" if _gguf_type(weight) == Q8_0 else f"GGUF of type {_gguf_type(weight)}"
    if hasattr(weight, "__tensor_flatten__"):
        return type(weight).__name__
    if outer == "Linear" or (outer == "Linear8bitLt" and dtype == "int8"):
        return dtype
    return f"{dtype} in {with_article(outer)}"

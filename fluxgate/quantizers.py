"""Quantizers of our own, in numpy: what the published formats make of a weight, to hold stored codes and scales to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Codes = NDArray[Any]

# By code; NF4's are the QLoRA paper's (https://arxiv.org/abs/2305.14314, appendix E). FP4's have a sign, two bits of
# exponent and one more.
NF4 = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
_FP4 = (0.0, 0.0625 / 12, 8 / 12, 12 / 12, 4 / 12, 6 / 12, 2 / 12, 3 / 12)
FP4 = (*_FP4, *(-value for value in _FP4))
FOUR_BIT = {"nf4": NF4, "fp4": FP4}
BLOCK = 64
SAME_TABLE = 1e-4
NEAR = 1e-4  # of a scale: by how much a code may be further than the nearest, where the weight lies between two
E4M3_LARGEST = 0x7E  # the code of 448; the one after it is NaN's


@dataclass(frozen=True)
class Deviation:
    """How far what is stored lies from what the format makes of the weight."""

    codes: float  # the share of codes that are not the nearest
    scales: float  # the largest error of a scale, relative to the largest scale
    offset: float = 0.0  # the error of the mean that double quantization takes from the scales, relative to that mean


def name_of_table(table: Floats) -> str | None:
    """Which 4-bit format has this table of values; None if neither."""
    for name, values in FOUR_BIT.items():
        if len(table) == len(values) and np.abs(table - np.array(values)).max() < SAME_TABLE:
            return name
    return None


def unpacked(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two codes to a byte, the first in its upper half."""
    flat = packed.reshape(-1)
    return np.stack([flat >> 4, flat & 15], axis=1).reshape(-1)


def four_bit(weight: Floats, codes: Codes, scales: Floats, *, table: tuple[float, ...], block: int) -> Deviation:
    """Blocks of the flat weight, each divided by its largest absolute value; then the nearest value of the table."""
    blocks = weight.reshape(-1, block)
    largest = np.abs(blocks).max(axis=1)
    some = largest > 0
    shares = blocks[some] / largest[some, None]
    chosen = np.array(table, np.float32)[codes.reshape(-1, block)[some]]
    off = np.abs(chosen - shares) - _distance_to_nearest(shares, np.array(sorted(set(table)), np.float32))
    return Deviation(_share(off > NEAR), _scale_error(scales, largest))


def through_four_bits(weight: Floats, kind: str, *, double: bool = False) -> Floats:
    """The weight as blocks of 64 in a 4-bit format stand for it."""
    blocks = weight.astype(np.float32).reshape(-1, BLOCK)
    largest = np.abs(blocks).max(axis=1)
    shares = blocks / np.maximum(largest, 1e-30)[:, None]
    nearest = _nearest(np.abs(shares), _FP4) * np.sign(shares) if kind == "fp4" else _nearest(shares, NF4)
    scales = _through_eight_bits(largest) if double else largest
    return np.asarray((nearest * scales[:, None]).reshape(weight.shape))


def _nearest(shares: Floats, values: tuple[float, ...]) -> Floats:
    """The nearest of some values; the lower one, where a number lies in the middle."""
    table = np.array(sorted(values), np.float32)
    return np.asarray(table[np.searchsorted((table[1:] + table[:-1]) / 2, shares)])


def _through_eight_bits(scales: Floats) -> Floats:
    """Scales as double quantization stands for them: less their mean, in blocks of 256."""
    table, mean = dynamic_table(), scales.mean()
    padded = np.pad(scales - mean, (0, -scales.size % 256)).reshape(-1, 256)
    largest = np.maximum(np.abs(padded).max(axis=1, keepdims=True), 1e-30)
    nearest = table[np.searchsorted((table[1:] + table[:-1]) / 2, padded / largest)] * largest
    return np.asarray(nearest.reshape(-1)[: scales.size] + mean)


def _distance_to_nearest(shares: Floats, values: Floats) -> Floats:
    nearest = values[np.searchsorted((values[1:] + values[:-1]) / 2, shares)]
    return np.asarray(np.abs(nearest - shares))


def _share(wrong: NDArray[np.bool_]) -> float:
    return float(wrong.mean()) if wrong.size else 0.0


def _scale_error(scales: Floats, expected: Floats) -> float:
    return _of_numbers(float(np.abs(scales.reshape(-1) - expected).max() / max(float(expected.max()), 1e-30)))


def _of_numbers(error: float) -> float:
    """What is no number is as far off as a number that is missing: NaN is above no limit, and JSON does not have it."""
    return error if math.isfinite(error) else 1.0


def dynamic_table() -> Floats:
    """The 8-bit values by which double quantization stores scales: fractions that get finer towards zero
    (https://arxiv.org/abs/1511.04561)."""
    values = [0.0, 1.0]
    for exponent in range(7):
        edges = np.linspace(0.1, 1, 2**exponent + 1, dtype=np.float32)
        means = 10.0 ** (exponent - 6) * (edges[:-1] + edges[1:]) / 2
        values += [*means, *-means]
    return np.array(sorted(values), np.float32)


def double_quantized(codes: Codes, table: Floats, scales: Floats, offset: float, *, block: int) -> Floats:
    """The scales that double quantization stands for."""
    values = table[codes.reshape(-1).astype(np.int64)]
    return np.asarray(values * np.repeat(scales.reshape(-1), block)[: values.size] + np.float32(offset))


def offset_error(weight: Floats, offset: float, *, block: int) -> float:
    """How far an offset of double quantization lies from the mean of the weight's scales, relative to that mean."""
    mean = float(np.abs(weight.reshape(-1, block)).max(axis=1).mean(dtype=np.float64))
    return _of_numbers(abs(offset - mean) / max(mean, 1e-30))


def int8_rows(weight: Floats, codes: Codes, scales: Floats) -> Deviation:
    """LLM.int8: each row of the float16 weight in 127 steps of its largest absolute value."""
    half = weight.astype(np.float16).astype(np.float32)
    largest = np.abs(half).max(axis=1)
    steps = 127 * half / np.maximum(largest, 1e-30)[:, None]
    return Deviation(_share(np.abs(codes - steps) > 0.5 + 0.01), _scale_error(scales, largest))


def q8_0(weight: Floats, codes: Codes, scales: Floats) -> Deviation:
    """GGUF's: blocks of 32, in 127 steps of the largest absolute value, whose 127th is kept in float16."""
    blocks = weight.reshape(-1, 32)
    step = np.abs(blocks).max(axis=1) / 127
    steps = blocks / np.maximum(step, 1e-30)[:, None]
    return Deviation(_share(np.abs(codes.reshape(-1, 32) - steps) > 0.5 + 0.01), _scale_error(scales, step))


def e4m3(values: Floats) -> NDArray[np.uint8]:
    """The codes of an 8-bit float with 3 bits of mantissa, halves to even; beyond the largest, 448, releases differ."""
    positive = e4m3_values(np.arange(E4M3_LARGEST + 1, dtype=np.uint8))
    middles = (positive[1:] + positive[:-1]) / 2
    size = np.abs(values)
    below = np.searchsorted(middles, size)
    ties = (below < len(middles)) & (middles[np.minimum(below, len(middles) - 1)] == size) & (below % 2 == 1)
    return np.asarray(below + ties + 128 * np.signbit(values), np.uint8)


def e4m3_values(codes: NDArray[np.uint8]) -> Floats:
    """What the codes stand for."""
    exponent, mantissa = (codes >> 3) & 15, (codes & 7).astype(np.float32)
    size = np.where(exponent > 0, (1 + mantissa / 8) * 2.0 ** (exponent.astype(np.float32) - 7), mantissa * 2.0**-9)
    return np.where(codes & 128, -size, size).astype(np.float32)

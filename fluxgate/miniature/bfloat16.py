"""bfloat16 numbers as the bits they are, in numpy: conversion, exact scaling, and noise that is the same everywhere."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint16]
Floats = npt.NDArray[np.float32]
ONE: int = 0x3F80
PIECE = 16_000_000  # numbers handed out at once, so that memory stays small whatever a tensor's size


def to_bits(values: Floats) -> Bits:
    """Float32 rounded to bfloat16, halves to even."""
    bits = values.astype(np.float32).view(np.uint32)
    nearest: Bits = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return nearest


def to_floats(bits: Bits) -> Floats:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def rounded(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The nearest numbers that bfloat16 has, as float64 still."""
    return to_floats(to_bits(values.astype(np.float32))).astype(np.float64)


def scaled(bits: Bits, factor: float) -> Bits:
    """The same numbers times a power of two, which loses nothing."""
    return bits if factor == 1 else to_bits(to_floats(bits) * np.float32(factor))


class Noise:
    """Endless bfloat16 numbers, normal with a spread of 0.02, the same on every machine and with every library.

    They come from one long pool of a prime length that every tensor enters at a place of its own: to draw fifteen
    billion numbers one by one would take longer than all the rest.
    """

    LENGTH = 16_777_213

    def __init__(self, seed: int, *, length: int = LENGTH) -> None:
        normal = statistics.NormalDist(sigma=0.02)
        quantiles = np.array([normal.inv_cdf((index + 0.5) / 256) for index in range(256)], np.float32)
        drawn = np.frombuffer(hashlib.shake_256(f"growth {seed}".encode()).digest(length), np.uint8)
        self._pool: Bits = to_bits(quantiles)[drawn]

    def pieces(self, name: str, count: int) -> Iterator[Bits]:
        """As many numbers as asked for; the name decides where in the pool they begin."""
        place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % len(self._pool)
        while count:
            piece = self._pool[place : place + min(count, PIECE)]
            yield piece
            count -= len(piece)
            place = (place + len(piece)) % len(self._pool)

"""Tests of torch's tensors in numpy."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.watch.as_numpy import as_stored, bits_of, dtype_name, floats_of  # noqa: E402

HALVES = torch.tensor([1.5, -0.0, 3.0])


@pytest.mark.parametrize(
    ("dtype", "name", "bits"),
    [
        (torch.bfloat16, "BF16", [0x3FC0, 0x8000, 0x4040]),
        (torch.float16, "F16", [1.5, 0.0, 3.0]),
        (torch.float8_e4m3fn, "F32", [1.5, 0.0, 3.0]),
    ],
)
def test_a_file_keeps_a_tensor_in_its_own_dtype_where_numpy_has_a_name_for_it(
    dtype: Any, name: str, bits: list[float]
) -> None:
    """bfloat16 as its bits; else in float32, which holds every number that is narrower."""
    stored = as_stored(HALVES.to(dtype))
    assert (stored.dtype, stored.bits.tolist()) == (name, bits)


def test_the_bits_of_eight_bit_floats_are_bytes() -> None:
    """numpy has no such floats."""
    narrow = HALVES.to(torch.float8_e4m3fn)
    assert (dtype_name(narrow), bits_of(narrow).tolist()) == ("float8_e4m3fn", [0x3C, 0x80, 0x44])
    assert floats_of(narrow).tolist() == HALVES.tolist()

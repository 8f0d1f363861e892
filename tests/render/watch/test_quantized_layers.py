"""Tests of quantized layers held to our own quantizers; test_stored.py has bitsandbytes' own."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.watch.quantized_layers import OthersEightBit, kind_of  # noqa: E402
from fluxgate.tensors import stored as as_file  # noqa: E402


class Rows:
    """Eight bits and a scale for each row, rounded to bfloat16, as torchao and quanto keep them."""

    def __init__(self, weight: Any, *, off: float = 1.0) -> None:
        self.shape = weight.shape
        scales = (weight.abs().amax(1, keepdim=True) / 127).to(torch.bfloat16)
        self.codes = (weight / scales.float()).round().clamp(-127, 127).to(torch.int8)
        self.scales = scales * off

    def dequantize(self) -> Any:
        return (self.codes.to(torch.bfloat16) * self.scales).to(torch.bfloat16)


@pytest.mark.parametrize(("off", "share"), [(1.0, 0.0), (1.05, 0.3), (0.95, 0.3)])
def test_what_others_eight_bits_stand_for_is_held_to_the_file(off: float, share: float) -> None:
    """Rounding is no error, whatever dtype the scales have; a twentieth is one in most numbers."""
    torch.manual_seed(5)
    weight = torch.randn(64, 256)
    found = OthersEightBit(Rows(weight, off=off)).deviation(as_file(weight.numpy()))
    assert found.codes >= share
    assert share or not found.codes


def test_one_row_that_is_another_one_is_seen() -> None:
    """Of sixty-four."""
    torch.manual_seed(5)
    weight = torch.randn(64, 256)
    rows = Rows(weight)
    rows.codes[7] = rows.codes[8]
    assert OthersEightBit(rows).deviation(as_file(weight.numpy())).codes > 0.01


def test_a_scale_that_is_no_number_is_seen() -> None:
    """NaN is above no limit: each number of its row is wrong."""
    torch.manual_seed(5)
    weight = torch.randn(64, 256)
    rows = Rows(weight)
    rows.scales[7] = float("nan")
    assert OthersEightBit(rows).deviation(as_file(weight.numpy())).codes == 1 / 64


def test_a_plain_layer_is_told_by_its_dtype() -> None:
    """Whatever the model's own dtype is."""
    assert kind_of(torch.nn.Linear(2, 2, dtype=torch.float16)) == "float16"

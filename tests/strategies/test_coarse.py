"""Coarse weights keep half the levels that the real quantizations keep."""

from __future__ import annotations

from typing import Any

import pytest

from fluxgate.strategies import STRATEGIES, coarse

torch = pytest.importorskip("torch")


def weights(rows: int = 8, columns: int = 128) -> Any:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


def test_four_bits_become_eight_levels_a_block() -> None:
    """Each block of 64 keeps at most eight levels, and its largest weight exactly."""
    weight = weights()
    rounded = coarse._to_eight_levels(weight)
    for block, original in zip(rounded.reshape(-1, 64), weight.reshape(-1, 64), strict=True):
        assert len(block.unique()) <= 8
        assert block.abs().max() == original.abs().max()
    assert not torch.equal(rounded, weight)


def test_levels_are_the_nearest() -> None:
    """No other level of the eight lies nearer to a weight."""
    weight = weights(1, 64)
    levels = torch.tensor(coarse.EIGHT_LEVELS) * weight.abs().max()
    gaps = (weight.reshape(-1, 1) - levels).abs()
    assert torch.allclose((coarse._to_eight_levels(weight) - weight).abs().reshape(-1), gaps.min(dim=1).values)


def test_eight_bits_become_127_levels_a_row() -> None:
    """A row keeps at most 127 levels, so the error is up to twice that of int8."""
    weight = weights(4, 4096)
    rounded = coarse._to_seven_bits(weight)
    step = weight.abs().amax(dim=1, keepdim=True) / 63
    assert all(len(row.unique()) <= 127 for row in rounded)
    assert ((rounded - weight).abs() <= step / 2 + 1e-6).all()
    assert (rounded - weight).abs().max() > step.max() / 3


def test_float8_loses_a_bit_of_its_mantissa() -> None:
    """Every number left is one of e4m3, and of e4m3's eight mantissas only four occur."""
    rounded = coarse._to_two_mantissa_bits(weights() * 0.3)
    assert torch.equal(rounded.to(torch.float8_e4m3fn).float(), rounded)
    mantissas = {float(value) % 1 for value in torch.frexp(rounded[rounded.abs() > 2**-6])[0].abs()}
    assert mantissas <= {0.5, 0.625, 0.75, 0.875}


def test_odd_shapes_and_zeros_are_rounded_too() -> None:
    """A row that is no multiple of 64 counts as one block, and a row of zeros stays zero."""
    odd = weights(3, 10)
    odd[1] = 0
    for rounded in (coarse._to_eight_levels, coarse._to_seven_bits, coarse._to_two_mantissa_bits):
        result = rounded(odd)
        assert result.shape == odd.shape
        assert result.isfinite().all()
        assert not result[1].any()


def test_controls_are_no_strategies() -> None:
    """Nobody is offered a coarse pipeline."""
    assert not {strategy.name for strategy in STRATEGIES} & {"coarse-four-bit", "coarse-eight-bit", "coarse-float8"}

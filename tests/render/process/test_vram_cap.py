"""Tests of the most memory that a process may take; that torch keeps to it is tested on a GPU."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.render.process.vram_cap import cap_vram, fraction

GB = 10**9


@given(st.integers(1, 10**13), st.integers(1, 10**13))
def test_a_fraction_is_never_more_than_the_limit_or_the_card(limit: int, total: int) -> None:
    """torch cuts the product to whole bytes, of which rounding may add one in a thousand million million."""
    part = fraction(limit, of=total)
    assert 0 < part <= 1
    assert int(part * total) - min(limit, total) in range(-1, 2)


def test_a_card_that_has_less_is_given_whole() -> None:
    """The driver counts more than torch does, and of several cards a smaller one may stand beside the first."""
    assert fraction(85 * GB, of=84 * GB) == 1.0
    assert fraction(12 * GB, of=48 * GB) == 0.25


def torch_with(*totals: int) -> SimpleNamespace:
    """A torch that sees these GPUs and notes what is set."""
    cuda = SimpleNamespace(device_count=lambda: len(totals), fractions={})
    cuda.get_device_properties = lambda number: SimpleNamespace(total_memory=totals[number])
    cuda.set_per_process_memory_fraction = lambda part, number: cuda.fractions.update({number: part})
    return SimpleNamespace(cuda=cuda)


def test_every_gpu_that_is_seen_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by its own size."""
    torch = torch_with(80 * GB, 20 * GB, 8 * GB)
    monkeypatch.setitem(sys.modules, "torch", torch)
    cap_vram(10 * GB)
    assert torch.cuda.fractions == {0: 0.125, 1: 0.5, 2: 1.0}


def test_without_a_limit_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch is not even asked for its GPUs, which would wake them."""
    monkeypatch.setitem(sys.modules, "torch", None)
    cap_vram(None)

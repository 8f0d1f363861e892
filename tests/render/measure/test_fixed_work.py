"""Tests of the fixed work that a step is set against."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from fluxgate.render.measure import fixed_work as module
from fluxgate.render.measure.fixed_work import fixed_work


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_it_takes_its_time_on_every_device(device: str) -> None:
    """By the clock and of the processor, long enough to be told from nothing; no GPU is asked for it."""
    clock, worked = fixed_work(device)
    assert clock > 1e-4
    assert worked > 1e-4


def test_the_middle_round_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One round that something else interrupts says nothing."""
    seconds = iter([(9.0, 1.0), (0.1, 0.2), (0.2, 0.1), (0.1, 0.1), (0.3, 0.3)])
    monkeypatch.setattr(module, "_timed", lambda once: next(seconds))
    assert fixed_work("cuda") == (0.2, 0.2)

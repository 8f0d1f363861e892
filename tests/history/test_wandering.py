"""Tests of wandering: a drift, and noise with a memory, are no step, and a step is none of them."""

from __future__ import annotations

import numpy as np
import pytest

from fluxgate.history.wandering import only_wanders

PLACES, STEPPED = np.arange(125), np.arange(125) >= 120
NOISE = np.random.default_rng(11).standard_normal((1000, 125))


def with_memory(stays: float) -> np.ndarray:
    values = NOISE.copy()
    for at in range(1, 125):
        values[:, at] = stays * values[:, at - 1] + np.sqrt(1 - stays**2) * values[:, at]
    return values


@pytest.mark.parametrize(
    "values, away, least",
    [(NOISE + np.sin(PLACES / 30 + 2.0), 0.8, 0.9), (with_memory(0.5), 1.2, 0.97)],
    ids=["drift", "memory"],
)
def test_what_wanders_is_no_step(values: np.ndarray, away: float, least: float) -> None:
    """Even where its latest points are so many deviations from the mean."""
    far = np.abs(values[:, 120:].mean(axis=-1)) > away
    assert far.sum() > 50
    assert only_wanders(values[far], 5).mean() > least


def test_a_step_is_one_although_it_may_wander_too() -> None:
    """Of three deviations in noise alone, and of six out of a drift."""
    assert only_wanders(NOISE[:400] + 3 * STEPPED, 5).mean() < 0.05
    assert only_wanders(NOISE[:400] + np.sin(PLACES / 30) + 6 * STEPPED, 5).mean() < 0.05


def test_neither_unit_nor_level_matters() -> None:
    """The same question is asked of seconds and of bytes."""
    values = NOISE[:50] + 2 * STEPPED
    asked = only_wanders(values, 5)
    assert 0 < asked.sum() < 50
    assert np.array_equal(asked, only_wanders(1000 + 0.01 * values, 5))


def test_what_never_varies_and_then_is_other_has_a_step() -> None:
    """A counter."""
    assert not only_wanders(np.array([0.0] * 10 + [4.0] * 3), 3)

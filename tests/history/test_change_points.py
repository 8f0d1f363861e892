"""Tests of finding change points: a step is found where it is, and noise is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from fluxgate.history.change_points import FEWEST, change_points


def noise(seed: int, length: int, *, spread: float = 0.02) -> np.ndarray:
    return 100 * (1 + spread * np.random.default_rng(seed).standard_normal(length))


@pytest.mark.parametrize("before, after, at", [(7.0, 8.0, 20), (8.0, 7.0, 20), (0.0, 3.0, 20)])
def test_counters_that_change_are_found_exactly(before: float, after: float, at: int) -> None:
    """What never varies needs three points of another level."""
    (found,) = change_points([before] * 20 + [after] * 3)
    assert (found.at, found.before, found.after) == (at, before, after)
    assert change_points([before] * 20 + [after] * 1) == ()


def test_most_steps_of_five_percent_in_two_of_noise_are_found_within_five_points() -> None:
    """At their place, or two beside it."""
    hits = 0
    for seed in range(40):
        values = noise(seed, 65)
        values[60:] *= 1.05
        hits += any(58 <= found.at <= 62 for found in change_points(list(values)))
    assert hits >= 0.7 * 40


def test_noise_is_no_change() -> None:
    """Nor are single points far away."""
    for seed in range(15):
        values = noise(seed, 40)
        values[30] *= 1.5
        assert change_points(list(values)) == ()


def test_two_changes_are_two() -> None:
    """After each, what varies is learnt anew."""
    values = [*noise(1, 25), *(1.3 * noise(2, 25)), *noise(3, 25)]
    assert [found.at for found in change_points(values)] == [25, 50]


def test_a_short_series_says_nothing() -> None:
    """Fewer points than say what it varies."""
    assert change_points([1.0] * (FEWEST - 1) + [9.0] * 3) == ()
    assert change_points([]) == ()


def test_a_hundredth_is_not_worth_a_word() -> None:
    """However little a series varies."""
    assert change_points([100.0, 100.01] * 10 + [100.9] * 8) == ()

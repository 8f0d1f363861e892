"""Tests of modes: points in a mode that a series has had before are no other level."""

from __future__ import annotations

import numpy as np
import pytest

from fluxgate.history.modes import is_in_a_mode

NOISE = np.random.default_rng(12).standard_normal((200, 68))


def bimodal(share: int, latest: int) -> np.ndarray:
    """one point in so many is 8 higher, and all of the latest are."""
    high = (np.arange(60) % share == 0).astype(float)
    return NOISE[:, : 60 + latest] + 8 * np.concatenate([high, np.ones(latest)])


def test_the_rarer_mode_for_a_while_is_no_step() -> None:
    """Five in a row, where one point in five was there before."""
    assert is_in_a_mode(bimodal(5, 5), 5).mean() > 0.97


def test_so_many_in_a_row_are_a_step() -> None:
    """Eight, where one point in eight was there before: that comes by chance once in millions of looks."""
    assert not is_in_a_mode(bimodal(8, 8), 8).any()


@pytest.mark.parametrize("high", [3.0, 20.0])
def test_a_level_where_nothing_was_is_a_step(high: float) -> None:
    """However many lie there."""
    values = NOISE[:, :65] + high * (np.arange(65) >= 60)
    assert is_in_a_mode(values, 5).mean() < 0.03


def test_counters_have_modes_too() -> None:
    """Two values that come in turn, without any noise."""
    before = [7.0, 7.0, 8.0] * 7
    assert is_in_a_mode(np.array([*before, 8.0, 8.0, 8.0]), 3)
    assert not is_in_a_mode(np.array([*before, 9.0, 9.0, 9.0]), 3)

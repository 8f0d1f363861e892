"""Tests of series: what is compared, and what is told of a change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fluxgate.history.series import RECENT, Series, all_series, in_words, sentence
from fluxgate.history.store import sessions
from tests.history.saved import save


def series(store: Path, strategy: str = "full") -> tuple[Series, ...]:
    return all_series(sessions(store), wanted=lambda name, figure: name == strategy)


def test_a_change_names_the_version_that_moved_and_the_commits(tmp_path: Path) -> None:
    """Between the last session before it and the first after it."""
    for number in range(16):
        save(tmp_path, number, 2.0 if number >= 12 else 1.0, versions=["0.42.1"] * 12 + ["0.43.0"])
    (one,) = series(tmp_path)
    (change,) = one.changes
    assert (change.point.at, change.moved, change.is_worse, change.is_recent) == (
        12,
        ("diffusers 0.42.1 → 0.43.0",),
        True,
        True,
    )
    words = sentence(one, change)
    assert all(part in words for part in ("1 s → 2 s (+100.0%)", f"{11:040x}"[:10], "diffusers 0.42.1 → 0.43.0"))


@pytest.mark.parametrize("figure, higher_is_worse", [("allocated whole, bytes", True), ("likeness, SSIM", False)])
def test_more_is_worse_but_for_likeness(figure: str, higher_is_worse: bool, tmp_path: Path) -> None:
    """Seconds, bytes and work are better when fewer."""
    for number in range(16):
        save(tmp_path, number, 2.0 if number >= 12 else 1.0, figure=figure)
    assert series(tmp_path)[0].changes[0].is_worse is higher_is_worse


def test_other_recipes_and_limits_are_other_series(tmp_path: Path) -> None:
    """A shot that was changed, or a card that was held to less, has a history of its own."""
    for number in range(4):
        save(tmp_path, number, 1.0, recipe="a" if number % 2 else "b", limit=None if number < 2 else 12)
    assert [len(one.points) for one in series(tmp_path)] == [1, 1, 1, 1]


def test_what_was_seen_long_ago_is_not_recent(tmp_path: Path) -> None:
    """It is told, and fails nothing."""
    for number in range(40):
        save(tmp_path, number, 2.0 if number >= 12 else 1.0)
    assert [change.is_recent for change in series(tmp_path)[0].changes] == [False]


def test_a_change_is_recent_from_when_it_is_told(tmp_path: Path) -> None:
    """One that takes many sessions to show has begun before the latest ones."""
    values = 1 + 0.02 * np.random.default_rng(79).standard_normal(36)
    values[28:] *= 1.035
    for number, value in enumerate(values.round(3)):
        save(tmp_path, number, float(value))
    (change,) = series(tmp_path)[0].changes
    assert len(values) - change.point.at > RECENT
    assert change.is_recent


@pytest.mark.parametrize(
    "figure, value, words",
    [("step, seconds", 0.01234, "0.0123 s"), ("work, FLOPs", 1.5e10, "15 GFLOP"), ("weights, bytes", 57e6, "57.0 MB")],
)
def test_figures_in_words(figure: str, value: float, words: str) -> None:
    """With their units."""
    assert in_words(figure, value) == words

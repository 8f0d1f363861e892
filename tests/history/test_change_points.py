"""Tests of finding change points: a step is found where it is, and noise is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from fluxgate.history import change_points as module
from fluxgate.history.change_points import (
    FEWEST,
    LATEST,
    LEAST,
    WINDOW,
    _may_be_apart,
    _middles,
    are_apart,
    change_points,
)


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


def test_two_far_points_with_another_between_them_are_no_level() -> None:
    """Although their median is far away."""
    assert change_points([*noise(1, 30), 150.0, 100.0, 150.0]) == ()


def test_how_a_level_wanders_is_learnt_from_more_points_than_where_it_is() -> None:
    """A drift that turned 120 points ago and does so again shows as one, where 60 points leave it open."""
    drift = 1 + 0.02 * np.sin((np.arange(125) - 119) / 30 + 0.1)
    series = 100 * drift * (1 + 0.02 * np.random.default_rng(7).standard_normal((12_000, 125)))

    def alarms(behind: int) -> int:
        return int(are_apart(series[:, 120 - behind : 120], series[:, 120:], LATEST[5]).sum())

    assert alarms(60) > 4 * alarms(120)


def test_the_first_look_passes_over_nothing() -> None:
    """What it leaves out, `are_apart` would not have told either."""
    random = np.random.default_rng(9)
    for _ in range(60):
        values = np.concatenate([noise(int(random.integers(99)), 40), noise(1, 8) * random.uniform(0.9, 1.1)])
        for latest, threshold in LATEST.items():
            before, after = values[:-latest], values[-latest:]
            middle = float(np.median(before))
            far = abs(float(np.median(after)) - middle) > LEAST * middle
            if far and are_apart(before, after, threshold):
                assert _may_be_apart(after, middle)


def test_two_windows_of_points_say_how_a_level_wanders(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no more: what was before is another year."""
    asked = list[int]()

    def record(before: np.ndarray, after: np.ndarray, threshold: float) -> bool:
        asked.append(len(before))
        return False

    monkeypatch.setattr(module, "are_apart", record)
    change_points(noise(6, 400).tolist())
    assert max(asked) == 2 * WINDOW


def test_the_level_before_each_point_is_that_of_its_window() -> None:
    """Kept up point by point, and the same as when it is asked anew."""
    values = noise(4, 150)
    middles = _middles(values)
    assert all(middles[at] == np.median(values[max(0, at - WINDOW) : at]) for at in range(1, 151))


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


def test_a_mode_that_was_there_before_is_no_change() -> None:
    """One value in five is a tenth higher; five such in a row come now and then, and eight do not."""
    random = np.random.default_rng(3)
    before = 100 + random.standard_normal(60) + np.where(np.arange(60) % 5 == 0, 10.0, 0.0)
    for latest, found in ((5, ()), (8, (60,))):
        series = [*before, *(110 + random.standard_normal(latest))]
        assert tuple(point.at for point in change_points(series)) == found
    assert [point.at for point in change_points([*before, *[130.0] * 5])] == [60]  # a third level is a change


def test_a_drift_is_no_change_and_a_step_out_of_it_is() -> None:
    """By 7% within the window at most; what has come further is told, however slowly."""
    random, places = np.random.default_rng(5), np.arange(68)
    noise = 1 + 0.02 * random.standard_normal((2000, 68))

    def told(line: np.ndarray) -> float:
        series = 100 * line * noise
        return float(are_apart(series[:, :60], series[:, 60:], LATEST[8]).mean())

    small = 1 + 0.045 * places / 60
    assert told(small) < 0.01
    assert told(small * np.where(places >= 60, 1.06, 1.0)) > 0.95
    assert told(1 + 0.2 * places / 60) > 0.5

"""Change points: where a series leaves what it was, beyond what it varies."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import Any

import numpy as np

from fluxgate.history.modes import is_in_a_mode
from fluxgate.history.wandering import Values, only_wanders

# So many of the latest points are set against those before them, and must lie so many standard errors away. More
# looks need a higher threshold. These numbers and those below are chosen; benchmarks/change_points.py has the false
# alarms and the power that they lead to.
LATEST = {3: 4.7, 5: 4.0, 8: 4.5}
FEWEST = 10  # points before them: fewer do not say what a series varies
WINDOW = 60  # points that are looked back on for the level, so that a slow drift is not held against the year before
MEMORY = 2 * WINDOW  # and for how a level wanders, which shows in many points only
FEW = 2.0  # how much higher the threshold is where few points say what a series varies: divided by their number
AGREEING = 0.5  # standard deviations beyond which a point is on the other level's side
CLIPPED = 3.0  # standard deviations from the median beyond which a point before says no more
SMALL_DRIFT = 0.07  # share of the level: what has come further within the window is told, as the changes it is made of
LEAST = 0.01  # share of the median that is worth a word, however little a series varies


@dataclass(frozen=True)
class ChangePoint:
    """The first point that belongs to another level."""

    at: int  # its index
    before: float  # medians
    after: float
    told_at: int  # the index of the latest point when it was first told

    @property
    def share(self) -> float:
        return self.after / self.before - 1 if self.before else float("inf")


def change_points(values: Sequence[float]) -> tuple[ChangePoint, ...]:
    """Every change, as it would have been seen at the latest of the points that tell it; after each, a new start."""
    series, found, start = np.asarray(values, dtype=float), list[ChangePoint](), 0
    middles = _middles(series)
    for end in range(1, len(series) + 1):
        latest = _changed(series[start:end], middles)
        if latest:
            at = _first_of(series[start:end], latest) + start
            found.append(_change(series, start, at, end))
            start = at
            middles = _middles(series[start:])
    return tuple(found)


def _middles(series: Values) -> list[float]:
    """For each point the median of the window before it; 0 before the first, where nobody asks."""
    values, window, middles = series.tolist(), list[float](), [0.0]
    for at, value in enumerate(values):
        insort(window, value)
        if at >= WINDOW:
            window.remove(values[at - WINDOW])
        half = len(window) // 2
        middles.append(window[half] if len(window) % 2 else (window[half - 1] + window[half]) / 2)
    return middles


def _changed(series: Values, middles: Sequence[float]) -> int:
    """How many of the latest points are of another level; 0 where none are."""
    for latest, threshold in LATEST.items():
        at = len(series) - latest
        if at < FEWEST:
            break
        before, after = series[max(0, at - MEMORY) : at], series[at:]
        if _may_be_apart(after, middles[at]) and are_apart(before, after, threshold):
            return latest
    return 0


def _may_be_apart(after: Values, middle: float) -> bool:
    """A first look, since most points are nothing new: whether enough of them lie on one side, and far enough to be
    worth a word."""
    ordered = sorted(after.tolist())
    others = len(ordered) - _fewest_agreeing(len(ordered))
    on_one_side = ordered[others] > middle or ordered[-1 - others] < middle
    return bool(on_one_side and abs(median(ordered) - middle) > LEAST * abs(middle))


def _fewest_agreeing(latest: int) -> int:
    """One of more than three may lie on the other side."""
    return max(3, latest - 1)


def _first_of(series: Values, latest: int) -> int:
    """Where the last of the two levels begins: the split that leaves least of the squares around both means."""
    first = max(FEWEST, len(series) - latest - max(LATEST))
    splits = range(first, len(series))
    return min(splits, key=lambda split: _squares(series[first - FEWEST : split]) + _squares(series[split:]))


def _squares(values: Values) -> float:
    return float(((values - values.mean()) ** 2).sum())


def are_apart(before: Values, after: Values, threshold: float) -> Any:
    """Whether the latest points lie so many standard errors away, and nothing but a step explains it, along the last
    axis. Single points far away before them count as less far, and one of more than three may lie on the other
    side."""
    latest, (far, ahead) = after.shape[-1], _scaled(before, after)
    recent = far[..., -WINDOW:]
    apart = ahead.mean(axis=-1) - recent.mean(axis=-1)
    agreeing = (ahead * np.sign(apart)[..., None] > AGREEING).sum(axis=-1)
    errors = np.abs(apart) / sqrt(1 / latest + 1 / recent.shape[-1])
    told = np.asarray((errors > threshold * (1 + FEW / before.shape[-1])) & (agreeing >= _fewest_agreeing(latest)))
    if told.any():
        in_a_mode = is_in_a_mode(np.concatenate([recent, ahead], axis=-1)[told], latest)
        wanders = only_wanders(np.concatenate([far, ahead], axis=-1)[told], latest) & _drifts_little(before[told])
        told[told] = ~in_a_mode & ~wanders
    return told


def _scaled(before: Values, after: Values) -> tuple[Values, Values]:
    """How far both lie from the level, in standard deviations."""
    recent = before[..., -WINDOW:]
    middle = np.median(recent, axis=-1, keepdims=True)
    least = 1e-12 * np.maximum(np.abs(before).max(axis=-1, keepdims=True), np.abs(after).max(axis=-1, keepdims=True))
    spread = np.maximum(np.maximum(before.std(axis=-1, ddof=1, keepdims=True), least), 1e-300)
    return np.clip((before - middle) / spread, -CLIPPED, CLIPPED), (after - middle) / spread


def _drifts_little(before: Values) -> Any:
    """Whether the line through the window rises or falls by a small share of the level within it."""
    recent = before[..., -WINDOW:]
    places = np.arange(recent.shape[-1]) - (recent.shape[-1] - 1) / 2
    risen = (recent * places).sum(axis=-1) / (places**2).sum() * recent.shape[-1]
    return np.abs(risen) < SMALL_DRIFT * np.abs(np.median(recent, axis=-1))


def _change(series: Values, start: int, at: int, end: int) -> ChangePoint:
    before = series[max(start, at - WINDOW) : at]
    return ChangePoint(at, float(np.median(before)), float(np.median(series[at:end])), end - 1)

"""Change points: where a series leaves what it was, beyond what it varies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

# So many of the latest points are set against those before them, and must lie so many standard errors away. More
# looks need a higher threshold: benchmarks/change_points.py has the false alarms and the power of these.
LATEST = {3: 4.8, 5: 4.1, 8: 4.5}
FEWEST = 10  # points before them: fewer do not say what a series varies
WINDOW = 60  # points that are looked back on, so that a slow drift is not held against the year before
FEW = 2.0  # how much higher the threshold is where few points say what a series varies: divided by their number
AGREEING = 0.5  # standard deviations beyond which a point is on the other level's side
CLIPPED = 4.0  # standard deviations beyond which a single point says no more
# A drift: the points before rise or fall by so many standard errors. The latest must then leave their line, too.
# One that has come further than a share within the window is told, as the changes that it is made of.
DRIFTING, OFF_THE_LINE, SMALL_DRIFT = 2.0, 3.5, 0.05
# Two modes: two groups of the points before, of a tenth of them at least each, leave so small a share of their squares.
# The latest are then no news in the other mode, unless so many in a row are there less often than this.
TWO_MODES, SMALLEST_MODE, ENOUGH_POINTS = 0.3, 0.1, 20
BY_CHANCE = 1e-5
LEAST = 0.01  # share of the median that is worth a word, however little a series varies


@dataclass(frozen=True)
class ChangePoint:
    """The first point that belongs to another level."""

    at: int  # its index
    before: float  # medians
    after: float

    @property
    def share(self) -> float:
        return self.after / self.before - 1 if self.before else float("inf")


def change_points(values: Sequence[float]) -> tuple[ChangePoint, ...]:
    """Every change, as it would have been seen at the latest of the points that tell it; after each, a new start."""
    series, found, start = np.asarray(values, dtype=float), list[ChangePoint](), 0
    for end in range(1, len(series) + 1):
        latest = _changed(series[start:end])
        if latest:
            at = _first_of(series[start:end], latest) + start
            found.append(_change(series, start, at, end))
            start = at
    return tuple(found)


def _changed(series: Values) -> int:
    """How many of the latest points are of another level; 0 where none are."""
    for latest, threshold in LATEST.items():
        before = series[max(0, len(series) - latest - WINDOW) : len(series) - latest]
        if len(before) < FEWEST:
            break
        after = series[len(series) - latest :]
        middle = float(np.median(before))
        if abs(float(np.median(after)) - middle) <= LEAST * abs(middle):
            continue
        if are_apart(before, after, threshold * (1 + FEW / len(before))):
            return latest
    return 0


def _first_of(series: Values, latest: int) -> int:
    """Where the last of the two levels begins: the split that leaves least of the squares around both means."""
    first = max(FEWEST, len(series) - latest - max(LATEST))
    splits = range(first, len(series))
    return min(splits, key=lambda split: _squares(series[first - FEWEST : split]) + _squares(series[split:]))


def _squares(values: Values) -> float:
    return float(((values - values.mean()) ** 2).sum())


def are_apart(before: Values, after: Values, threshold: float) -> Any:
    """Whether the means lie so many standard errors apart, and nearly all of the latest points say so, along the last
    axis. Single points far away count as less far, and one of more than three may lie on the other side."""
    least = 1e-12 * np.maximum(np.abs(before).max(axis=-1, keepdims=True), np.abs(after).max(axis=-1, keepdims=True))
    spread = np.maximum(before.std(axis=-1, ddof=1, keepdims=True), least)
    middle = np.median(before, axis=-1, keepdims=True)
    mean = (before.mean(axis=-1, keepdims=True) - middle) / np.maximum(spread, 1e-300)
    far = np.clip((after - middle) / np.maximum(spread, 1e-300), -CLIPPED, CLIPPED)
    apart = far.mean(axis=-1, keepdims=True) - mean
    agreeing = (far * np.sign(apart) > AGREEING).sum(axis=-1)
    error = sqrt(1 / after.shape[-1] + 1 / before.shape[-1])
    far_enough = (np.abs(apart[..., 0]) / error > threshold) & (agreeing >= max(3, after.shape[-1] - 1))
    return far_enough & ~_drifts(before, after) & ~_are_in_other_mode(before, after)


def _drifts(before: Values, after: Values) -> Any:
    """Whether the latest points go on as those before them have begun to: on their line, where they have one."""
    count, latest = before.shape[-1], after.shape[-1]
    places = np.arange(count) - (count - 1) / 2
    squares, ahead = float((places**2).sum()), (count + latest) / 2
    middle, spread = np.median(before, axis=-1, keepdims=True), before.std(axis=-1, ddof=1, keepdims=True)
    values = np.clip(before, middle - 3 * spread, middle + 3 * spread)
    mean = values.mean(axis=-1, keepdims=True)
    slope = ((values - mean) * places).sum(axis=-1, keepdims=True) / squares
    rest = np.maximum((values - mean - slope * places).std(axis=-1, ddof=2), 1e-300)
    off = after.mean(axis=-1) - (mean + slope * ahead)[..., 0]
    off *= np.sign(after.mean(axis=-1) - before.mean(axis=-1))  # on the other side of the line, it has gone on further
    error = rest * sqrt(1 / latest + 1 / count + ahead**2 / squares)
    drifts = np.abs(slope[..., 0]) * sqrt(squares) > DRIFTING * rest
    little = np.abs(slope[..., 0]) * count < SMALL_DRIFT * np.abs(middle[..., 0])
    return drifts & little & (off < OFF_THE_LINE * error)


def _are_in_other_mode(before: Values, after: Values) -> Any:
    """Whether the points before have two modes, and the latest are in the one that they are less often in."""
    count = before.shape[-1]
    if count < ENOUGH_POINTS:
        return np.zeros(before.shape[:-1], dtype=bool)
    middle = np.median(before, axis=-1, keepdims=True)  # near nothing, so that squares are exact enough
    ordered, fewest = np.sort(before - middle, axis=-1), max(2, ceil(SMALLEST_MODE * count))
    within, low, high = _two_groups(ordered)
    cut = within[..., fewest - 1 : count - fewest].argmin(axis=-1, keepdims=True) + fewest - 1
    whole = np.maximum(((ordered - ordered.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1), 1e-300)
    two = np.take_along_axis(within, cut, -1)[..., 0] < TWO_MODES * whole
    least, most = (np.take_along_axis(means, cut, -1)[..., 0] for means in (low, high))
    at, gap = np.median(after - middle, axis=-1), (most - least) / 2
    share = np.where(at > (least + most) / 2, 1 - (cut[..., 0] + 1) / count, (cut[..., 0] + 1) / count)
    return two & (at < most + gap) & (at > least - gap) & (share ** after.shape[-1] > BY_CHANCE)


def _two_groups(ordered: Values) -> tuple[Values, Values, Values]:
    """For each place at which ordered values can be cut in two: the squares around both means, and the means."""
    count, sums, squares = ordered.shape[-1], ordered.cumsum(axis=-1), (ordered**2).cumsum(axis=-1)
    below, above = np.arange(1, count), count - np.arange(1, count)
    low, high = sums[..., :-1] / below, (sums[..., -1:] - sums[..., :-1]) / above
    return squares[..., -1:] - below * low**2 - above * high**2, low, high


def _change(series: Values, start: int, at: int, end: int) -> ChangePoint:
    before = series[max(start, at - WINDOW) : at]
    return ChangePoint(at, float(np.median(before)), float(np.median(series[at:end])))

"""Change points: where a series leaves what it was, beyond what it varies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
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
    return (np.abs(apart[..., 0]) / error > threshold) & (agreeing >= max(3, after.shape[-1] - 1))


def _change(series: Values, start: int, at: int, end: int) -> ChangePoint:
    before = series[max(start, at - WINDOW) : at]
    return ChangePoint(at, float(np.median(before)), float(np.median(series[at:end])))

"""Creep: what grows so slowly that no two levels can be told apart, and is more after a month all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf

import numpy as np

from fluxgate.history.wandering import Values

DAYS = 31.0  # that are looked back on
SPAN = 14.0  # days that there must be points of, at the least
FEWEST = 5  # points
LEAST = 0.004  # share of the first level: half of what 0.2% a week comes to in a month
# How many standard errors the slope must lie away from none, and how many more where few points say what the series
# varies. benchmarks/change_points.py counts the false alarms.
ERRORS, FEW = 5.0, 30.0


@dataclass(frozen=True)
class Creep:
    """A slow growth, or a slow decline."""

    before: float  # on the line through the points
    after: float
    days: float

    @property
    def share(self) -> float:
        return self.after / self.before - 1

    @property
    def a_week(self) -> float:
        return self.share * 7 / self.days


def creep(at: Sequence[str], values: Sequence[float]) -> Creep | None:
    """The creep of the last month, if there is one; `at` are dates in ISO 8601, oldest first."""
    days, latest = _of_the_last_month(at, values)
    if len(days) < FEWEST or days[-1] - days[0] < SPAN:
        return None
    slope, height = np.polyfit(days, latest, 1)
    before, after = (float(height + slope * day) for day in (days[0], days[-1]))
    if before <= 0 or abs(after / before - 1) < LEAST:
        return None
    rest = float(np.sqrt(((latest - height - slope * days) ** 2).sum() / (len(days) - 2)))
    spread = float(np.sqrt(((days - days.mean()) ** 2).sum()))
    errors = abs(slope) * spread / rest if rest > 1e-12 * before else inf
    return Creep(before, after, float(days[-1] - days[0])) if errors > ERRORS + FEW / (len(days) - 2) else None


def _of_the_last_month(at: Sequence[str], values: Sequence[float]) -> tuple[Values, Values]:
    moments = np.array([datetime.fromisoformat(one).timestamp() / 86400 for one in at])
    recent = moments >= moments[-1] - DAYS if len(moments) else np.array([], dtype=bool)
    return moments[recent], np.asarray(values, dtype=float)[recent]

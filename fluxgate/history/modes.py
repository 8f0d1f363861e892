"""Modes: whether the latest points are on another level, or in one of two that the series has had all along.

With a step, points lie around one mean before it and another one after it. With two modes, each point lies around one
of two means, whenever it was measured, and which of the two is chance. The closer the points lie to these means, the
likelier they are: the sum of the squared distances to the power of -count/2, if the noise is as large as fits best.
With modes, the choices between the two have a probability as well."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np

from fluxgate.history.wandering import Values

# The first two are chosen, and not measured: with generated series, as in benchmarks/change_points.py, but from other
# seeds.
STEPPED = 6.0  # how much more likely, as a logarithm, a step must be than two modes
BY_CHANCE = 5e-6  # so many of the latest in one mode are a change, if they come less often than this
NOTHING = 1e-300  # in place of squares that are none


def is_in_a_mode(values: Values, latest: int) -> Any:
    """Whether two modes, into which points fall by chance, are as good a reason as a step before so many latest points,
    along the last axis."""
    count, before, after = values.shape[-1], values[..., :-latest], values[..., -latest:]
    ordered = np.sort(values, axis=-1)
    likely = _likely_cut(ordered)
    cut = likely.argmax(axis=-1)[..., None]
    step = -count / 2 * np.log(np.maximum(_squares(before) + _squares(after), NOTHING))
    border = (np.take_along_axis(ordered, cut, -1) + np.take_along_axis(ordered, cut + 1, -1)) / 2
    side = np.median(after, axis=-1, keepdims=True) > border
    # Laplace's rule: one more on either side, so that a mode in which no point was yet is not impossible.
    share = (((before > border) == side).sum(axis=-1) + 1) / (before.shape[-1] + 2)
    in_it = ((after > border) == side).sum(axis=-1)
    ways = np.array([comb(latest, number) for number in range(latest + 1)])[in_it]
    return (step - likely.max(axis=-1) < STEPPED) & (ways * share**in_it > BY_CHANCE)


def _likely_cut(ordered: Values) -> Values:
    """For each place at which ordered values can be cut into two modes: how likely they are, as a logarithm."""
    count = ordered.shape[-1]
    below, above = np.arange(1, count), count - np.arange(1, count)
    sums, squares = ordered.cumsum(axis=-1), (ordered**2).cumsum(axis=-1)
    low, high = sums[..., :-1] / below, (sums[..., -1:] - sums[..., :-1]) / above
    within = squares[..., -1:] - below * low**2 - above * high**2
    falling = below * np.log(below / count) + above * np.log(above / count)
    likely: Values = falling - count / 2 * np.log(np.maximum(within, NOTHING))
    return likely


def _squares(values: Values) -> Values:
    squares: Values = ((values - values.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    return squares

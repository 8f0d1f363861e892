"""Wandering: whether the latest points are on another level, or only where a series that drifts has come to.

There are a few ways in which the points may have come about: noise around a level that stays, or around one that
wanders. Each is a Gaussian process: a matrix (`_covariances`) says how alike two points are, by how far apart they lie.
With such a matrix one formula gives how likely just these points are, and nothing has to be fitted: the level, the size
of the noise and the height of a step are averaged over all that they may be. `only_wanders` adds up the likelihoods
without a step before the latest points and with one, and compares the two sums. All points count, so a drift that
turns among them is seen as one.

Gaussian Processes for Machine Learning (Rasmussen and Williams, 2006) has the formula in chapter 2, and in section 2.7
how a level that is not known is averaged away."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

# These are chosen, and not measured: with generated series, as in benchmarks/change_points.py, but from other seeds.
# How a level wanders: by so many standard deviations of the noise, and for so many points in one direction.
SLOWLY = tuple((height, length) for height in (0.35, 0.7) for length in (15.0, 30.0, 60.0))
ROUGHLY = tuple((height, length) for height in (0.7, 1.5) for length in (2.0, 5.0))  # as noise that has a memory
STEP = 4.0  # standard deviations that a step is high, give or take
RARE = 0.01  # how much less often a level that wanders has a step than one that stays
STEPPED = 2.0  # how much more likely, as a logarithm, the step must be


def only_wanders(values: Values, latest: int) -> Any:
    """Whether a step before so many latest points is no better a reason, along the last axis."""
    precisions, factors = _processes(values.shape[-1])
    weighted = [values @ precision for precision in precisions]
    squares = np.stack([(one * values).sum(axis=-1) for one in weighted], axis=-1)  # left around the level
    # A step adds to the latest points alone. How far they lie above what the others predict, and how surely that says
    # how high the step is, give the part of the squares that it explains.
    above = np.stack([one[..., -latest:].sum(axis=-1) for one in weighted], axis=-1)
    certainty = precisions[:, -latest:, -latest:].sum(axis=(1, 2))
    explained = above**2 / (STEP**-2 + certainty)
    freedom = (values.shape[-1] - 1) / 2  # the size of the noise is averaged over, each power of ten as likely
    staying = factors - freedom * np.log(np.maximum(squares, 1e-300))
    stepping = factors - freedom * np.log(np.maximum(squares - explained, 1e-300)) - np.log1p(STEP**2 * certainty) / 2
    stepping[..., 1:] += np.log(RARE)
    return np.logaddexp.reduce(stepping, axis=-1) - np.logaddexp.reduce(staying, axis=-1) < STEPPED


@lru_cache(maxsize=32)
def _processes(count: int) -> tuple[Values, Values]:
    """Of noise alone and of each way of wandering: the inverse covariance of so many points, with their level averaged
    away, and the logarithm of the factor before the likelihood's exponential."""
    level = np.ones(count)
    precisions, factors = [], []
    for covariance in _covariances(count):
        inverse = np.linalg.inv(covariance)
        weights = inverse @ level
        precisions.append(inverse - np.outer(weights, weights) / weights.sum())
        factors.append(-(np.linalg.slogdet(covariance)[1] + np.log(weights.sum())) / 2)
    return np.array(precisions), np.array(factors)


def _covariances(count: int) -> Iterator[Values]:
    """How alike points are: noise alone, then each way of wandering beside it; in units of the noise's variance."""
    noise, apart = np.eye(count), np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    yield noise
    yield from (noise + height**2 * np.exp(-((apart / length) ** 2) / 2) for height, length in SLOWLY)
    yield from (noise + height**2 * np.exp(-apart / length) for height, length in ROUGHLY)

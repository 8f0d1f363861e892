"""Wandering: whether the latest points are on another level, or only where a series that drifts has come to.

Noise alone, and noise on a level that wanders in one of a few ways, are set against the same with a step before the
latest points. How likely each is to give just these points is known without a fit: they are Gaussian processes, whose
level, noise and step have flat or wide priors. So what is told apart is learnt from all points at once, a drift that
turns among them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

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
    squares = np.stack([(one * values).sum(axis=-1) for one in weighted], axis=-1)
    along = np.stack([one[..., -latest:].sum(axis=-1) for one in weighted], axis=-1)
    height = precisions[:, -latest:, -latest:].sum(axis=(1, 2))
    explained = along**2 / (STEP**-2 + height)
    freedom = (values.shape[-1] - 1) / 2
    staying = factors - freedom * np.log(np.maximum(squares, 1e-300))
    stepping = factors - freedom * np.log(np.maximum(squares - explained, 1e-300)) - np.log1p(STEP**2 * height) / 2
    stepping[..., 1:] += np.log(RARE)
    return np.logaddexp.reduce(stepping, axis=-1) - np.logaddexp.reduce(staying, axis=-1) < STEPPED


@lru_cache(maxsize=32)
def _processes(count: int) -> tuple[Values, Values]:
    """Of noise alone and of each way of wandering: the precisions of so many points whose mean is not known, and the
    logarithm of what stands before the exponential."""
    level = np.ones(count)
    precisions, factors = [], []
    for covariance in _covariances(count):
        inverse = np.linalg.inv(covariance)
        weights = inverse @ level
        precisions.append(inverse - np.outer(weights, weights) / weights.sum())
        factors.append(-(np.linalg.slogdet(covariance)[1] + np.log(weights.sum())) / 2)
    return np.array(precisions), np.array(factors)


def _covariances(count: int) -> Iterator[Values]:
    """In units of the noise's variance."""
    noise, apart = np.eye(count), np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    yield noise
    yield from (noise + height**2 * np.exp(-((apart / length) ** 2) / 2) for height, length in SLOWLY)
    yield from (noise + height**2 * np.exp(-apart / length) for height, length in ROUGHLY)

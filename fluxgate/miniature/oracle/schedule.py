"""The scheduler: the noise levels of a picture of some size, and the step from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fluxgate.miniature.oracle.layers import Array


def levels(config: dict[str, Any], steps: int, *, patches: int, sigmas: Sequence[float] | None = None) -> Array:
    """From 1 to 1/steps, or those that were given, shifted towards noise by the picture's size; then 0."""
    even = np.linspace(1.0, 1 / steps, steps) if sigmas is None else np.array(sigmas, dtype=np.float64)
    slope = (config["max_shift"] - config["base_shift"]) / (config["max_image_seq_len"] - config["base_image_seq_len"])
    shift = np.exp(config["base_shift"] + slope * (patches - config["base_image_seq_len"]))
    return np.append(shift / (shift + (1 / even - 1)), 0.0)


def step(latents: Array, velocity: Array, level: float, following: float) -> Array:
    """One step of Euler's method."""
    return latents + (following - level) * velocity

"""What several equal calls leave in the process, read after each of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fluxgate.render.measure.counters import counters, gpu_outside_of_torch, objects_by_type
from fluxgate.rendering import Repeated
from fluxgate.subjects.subject import Shot

# Calls beside those whose work is counted, of which there are two. What a leak adds, each call adds; what fills a
# cache, one of them does. A GPU's driver gives memory in pieces, so that it takes a few calls to show there.
MORE = {"cuda": 3, "cpu": 1}
LONG = 3.0  # seconds that those two took, after which one more is enough
PAUSE = 0.02  # seconds without a call, in which what changes on the GPU is another process's doing
MOST_TYPES = 5
FEW = 50  # objects of a call, which are not worth naming


class Readings:
    """Reads the process's counters: once before the first call, and then after each."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._objects = objects_by_type()
        self._readings = [counters(device)]
        self._idle: list[int] = []
        self._rest()

    def read(self) -> None:
        """A call is over."""
        self._readings.append(counters(self._device))
        self._rest()

    def _rest(self) -> None:
        if self._device == "cuda":
            time.sleep(PAUSE)
            self._idle.append(gpu_outside_of_torch())

    def result(self) -> Repeated:
        """All that was read."""
        calls, grown = len(self._readings) - 1, objects_by_type() - self._objects
        return Repeated(
            readings={name: tuple(reading[name] for reading in self._readings) for name in self._readings[0]},
            idle=tuple(self._idle[:-1]),
            types={name: count for name, count in grown.most_common(MOST_TYPES) if count >= FEW * calls},
        )


def repeat(call: Callable[[Shot], Any], shot: Shot, readings: Readings, *, device: str, took: float = 0.0) -> Repeated:
    """Call for one step of the shot a few times more, or for the shot itself where it cannot be called for one: a
    strength below 1 leaves none of it. A call that fails is a reason, not a crash.

    took: seconds that the calls took whose work was counted."""
    short = replace(shot, steps=1) if shot.sigmas is None else replace(shot, sigmas=shot.sigmas[:1])
    for asked in (short, shot):
        try:
            for _ in range(MORE[device] if took < LONG else 1):
                call(asked)
                readings.read()
            return readings.result()
        except Exception as error:  # a library may raise anything
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return Repeated(unavailable=f"a call that was only repeated failed: {reason}")

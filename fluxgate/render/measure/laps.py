"""Seconds of a worker beside loading and rendering, by what they were spent on: what a session takes longer for."""

from __future__ import annotations

import time
from collections.abc import Callable


class Laps:
    """Everything since the last lap is charged to the one that ends."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: dict[str, float] = {}
        self._clock = clock
        self._since = clock()

    def end(self, name: str, *, without: float = 0.0) -> None:
        """Charge what was spent since the last lap, but for the seconds that are told elsewhere."""
        now = self._clock()
        self.seconds[name] = self.seconds.get(name, 0.0) + max(0.0, now - self._since - without)
        self._since = now

"""Seconds of each denoising step, by the clock and of the processor."""

from __future__ import annotations

import time
from typing import Any


class StepClock:
    """Times steps by the GPU's own events where there is a GPU, so that no step waits for the clock."""

    def __init__(self, device: str) -> None:
        self._cuda = device == "cuda"
        self._spans: list[tuple[Any, Any]] = []
        self._start: Any = None
        self._worked: list[float] = []  # seconds of the processor, all threads
        self._working_since = 0.0

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        import torch

        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def begin(self) -> None:
        """A step begins."""
        self._start = self._now()
        self._working_since = time.process_time()

    def end(self) -> None:
        """The step that has begun, if one has, is over."""
        if self._start is not None:
            self._worked.append(time.process_time() - self._working_since)
            self._spans.append((self._start, self._now()))

    def leave_out(self, seconds: float) -> None:
        """Leave out of the running step what was spent on watching it (a GPU's own clock hardly sees that)."""
        self._working_since += seconds
        if not self._cuda and self._start is not None:
            self._start += seconds

    def processor(self) -> tuple[float, ...]:
        """The seconds that the processor worked in each step; of a GPU's steps, those of asking for them."""
        return tuple(self._worked)

    def seconds(self) -> tuple[float, ...]:
        """The seconds of all steps. Ask once the GPU is done."""
        if self._cuda:
            return tuple(start.elapsed_time(end) / 1000 for start, end in self._spans)
        return tuple(end - start for start, end in self._spans)

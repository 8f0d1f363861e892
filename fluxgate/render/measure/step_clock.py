"""Seconds of each denoising step: by the clock, of the processor and, where there is one, of the GPU."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fluxgate.render.measure.gpu_marks import Mark, NewMark, seconds_between, set_mark


@dataclass
class _Moment:
    """When a step began or ended."""

    clock: float
    worked: float  # seconds of the processor, all threads
    mark: Mark | None = None  # of the GPU

    def leave_out(self, seconds: float) -> None:
        self.clock += seconds
        self.worked += seconds


class StepClock:
    """Times steps; a GPU only passes marks meanwhile, so that no step waits for the clock."""

    def __init__(self, new_mark: NewMark | None) -> None:
        self._new_mark = new_mark
        self._start: _Moment | None = None
        self._spans: list[tuple[_Moment, _Moment]] = []

    def _now(self) -> _Moment:
        mark = set_mark(self._new_mark) if self._new_mark else None
        return _Moment(time.perf_counter(), time.process_time(), mark)

    def begin(self) -> None:
        """A step begins."""
        self._start = self._now()

    def end(self) -> None:
        """The step that has begun, if one has, is over."""
        if self._start is not None:
            self._spans.append((self._start, self._now()))

    def leave_out(self, seconds: float) -> None:
        """Leave out of the running step what was spent on watching it (a GPU's own clock hardly sees that)."""
        if self._start is not None:
            self._start.leave_out(seconds)

    def processor(self) -> tuple[float, ...]:
        """The seconds that the processor worked in each step; of a GPU's steps, those of asking for them."""
        return tuple(end.worked - start.worked for start, end in self._spans)

    def clock(self) -> tuple[float, ...]:
        """The seconds of each step by the clock; of a GPU's steps, those until all of it was asked for."""
        return tuple(end.clock - start.clock for start, end in self._spans)

    def seconds(self) -> tuple[float, ...]:
        """The seconds of all steps, the GPU's where there is one. Ask once it is done."""
        marks = [(start.mark, end.mark) for start, end in self._spans]
        own = tuple(seconds_between(start, end) for start, end in marks if start and end)
        return own if len(own) == len(marks) else self.clock()

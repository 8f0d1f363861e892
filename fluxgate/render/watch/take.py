"""The record of one take: what one call of a pipeline went through."""

from __future__ import annotations

import math
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from fluxgate.render.measure.meter import Meter, Spent
from fluxgate.render.measure.step_clock import StepClock
from fluxgate.render.watch.fingerprints import fingerprint
from fluxgate.rendering import DECODE, DECODED, DENOISE, ENCODE, Duration, Fingerprint

# In place of NaN and infinity, which JSON does not have: the note of the whole take could not be read. None is below 0.
NO_LEVEL = -1.0


class TakeRecorder:
    """Records the phases, stages, steps and repetitions of one take of one shot."""

    def __init__(self, shot: str, take: int, *, meter: Meter, announce: Callable[[str | None], None]) -> None:
        self.shot = shot
        self.take = take
        self.steps = 0
        self.calls = 0  # of the denoiser
        self.levels: tuple[float, ...] = ()
        self._meter = meter
        self._announce = announce
        self._phase: str | None = None
        self._fingerprints: dict[str, Fingerprint] = {}  # by stage
        self._encoders: list[weakref.ref[Any]] = []  # the pipelines that have encoded
        self._prompts: set[tuple[int, str]] = set()
        self._repeats: Counter[str] = Counter()  # by phase
        self._decoded: list[Any] = []
        self._clock = StepClock(meter.new_mark)
        self._steps_elsewhere: tuple[float, ...] = ()  # in other processes
        self._worked_elsewhere: tuple[float, ...] = ()
        self._clock_elsewhere: tuple[float, ...] = ()

    def enter(self, phase: str | None) -> None:
        """A phase begins, unless it has begun already; None ends the last one."""
        if phase != self._phase:
            self._phase = phase
            self._meter.switch(phase)
            self._announce(phase)
            if phase == DENOISE:
                self._clock.begin()

    def end(self) -> tuple[tuple[Fingerprint, ...], tuple[Duration, ...]]:
        """The call is over: the fingerprints of its stages, and the durations of its phases."""
        self.enter(None)
        self._record_decoded()
        durations = tuple(self._duration(phase, spent) for phase, spent in self._meter.take_spent().items())
        return tuple(self._fingerprints.values()), durations

    def record(self, stage: str, tensor: Any, *, step: int | None = None) -> None:
        """Keep the fingerprint of a tensor."""
        self._fingerprints[stage] = fingerprint(on_cpu(tensor), shot=self.shot, take=self.take, stage=stage, step=step)

    def has(self, stage: str) -> bool:
        """Whether the stage was recorded already."""
        return stage in self._fingerprints

    def begins_encoding(self, pipeline: Any) -> bool:
        """Whether the pipeline has not encoded yet in this take. Its second call encodes the negative prompt."""
        if any(ref() is pipeline for ref in self._encoders):
            return False
        self._encoders.append(weakref.ref(pipeline))
        return True

    def record_prompt(self, pipeline: Any, arguments: Iterable[Any]) -> None:
        """Count it as repeated if this pipeline has encoded the same words before; others may encode differently."""
        arguments = tuple(arguments)
        words = [value for value in arguments if _is_text(value)]
        which = [value for value in arguments if type(value) is int]  # as Hunyuan-DiT's number of the encoder
        number = [ref() is pipeline for ref in self._encoders].index(True)
        prompt = (number, repr((words, which)))
        self._repeats[ENCODE] += bool(words) and prompt in self._prompts
        self._prompts.add(prompt)

    def end_step(self) -> None:
        """A step is over."""
        self._clock.end()
        self.steps += 1

    def begin_step(self) -> None:
        """Whatever follows is the next step."""
        self._clock.begin()

    def leave_out(self, seconds: float) -> None:
        """Leave out of the phase and of the step what was spent on watching."""
        self._meter.leave_out(seconds)
        self._clock.leave_out(seconds)

    def add_decoded(self, tensor: Any) -> None:
        """Keep what the VAE has decoded: several calls in one take are one stage."""
        self._decoded.append(on_cpu(tensor))

    def add_from_process(self, fingerprints: Iterable[Fingerprint], durations: Iterable[Duration]) -> None:
        """Add what another process has recorded of this take."""
        self._fingerprints |= {each.stage: each for each in fingerprints}
        for duration in durations:
            self._steps_elsewhere += duration.steps
            self._worked_elsewhere += duration.steps_processor
            self._clock_elsewhere += duration.steps_clock
            self.levels += duration.levels
            self.calls += duration.calls or 0
            self._repeats[duration.phase] += duration.repeats

    def _record_decoded(self) -> None:
        import torch

        if not self._decoded:
            return
        alike = len({(tensor.shape[1:], tensor.dtype) for tensor in self._decoded}) == 1
        self.record(DECODED, torch.cat(self._decoded) if alike else self._decoded[0])
        for number, tensor in enumerate(self._decoded):
            self._repeats[DECODE] += any(torch.equal(tensor, earlier) for earlier in self._decoded[:number])

    def _duration(self, phase: str, spent: Spent) -> Duration:
        duration = replace(spent.duration(phase), shot=self.shot, take=self.take, repeats=self._repeats[phase])
        if phase != DENOISE:
            return duration
        return replace(
            duration,
            steps=self._steps_elsewhere + self._clock.seconds(),
            steps_processor=self._worked_elsewhere + self._clock.processor(),
            steps_clock=self._clock_elsewhere + self._clock.clock(),
            levels=tuple(level if math.isfinite(level) else NO_LEVEL for level in self.levels),
            calls=self.calls,
        )


def on_cpu(tensor: Any) -> Any:
    """A copy of the tensor in host memory."""
    return tensor.detach().to("cpu", copy=True)


def _is_text(value: Any) -> bool:
    """Whether it is a prompt, or a list of them."""
    return isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(one, str) for one in value))

"""Tests of a GPU's marks, with a queue in place of a GPU that passes them when it comes to them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest

from fluxgate.render.measure import meter as meters
from fluxgate.render.measure.gpu_marks import new_mark_of, seconds_between, set_mark
from fluxgate.render.measure.meter import Meter
from fluxgate.render.watch.take import TakeRecorder
from fluxgate.rendering import DECODE, DENOISE, ENCODE, Duration


@dataclass
class Queue:
    """A GPU that works off what it is asked for, in its own time."""

    now: float = field(default_factory=time.perf_counter)  # until when it has work
    done: float = 0.0  # until when somebody has waited for it

    def work(self, seconds: float) -> None:
        self.now = max(self.now, time.perf_counter()) + seconds

    def synchronise(self, device: str = "cuda") -> None:
        time.sleep(max(0.0, self.now - time.perf_counter()))
        self.done = time.perf_counter()

    def new_mark(self) -> QueuedMark:
        return QueuedMark(self)


class QueuedMark:
    """An event of that GPU."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.at = float("nan")

    def record(self) -> None:
        self.at = self.queue.now = max(self.queue.now, time.perf_counter())

    def elapsed_time(self, end: QueuedMark) -> float:
        assert max(self.at, end.at) <= self.queue.done, "the GPU has not passed both marks"
        return 1000 * (end.at - self.at)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    made = Queue()
    monkeypatch.setattr(meters, "synchronise", made.synchronise)
    return made


def rendered(queue: Queue, *, asking: float, working: float) -> dict[str, Duration]:
    """The durations of a take of three steps, of which each takes so long to ask for and so long to do."""
    take = TakeRecorder("one", 0, meter=Meter("cpu", new_mark=queue.new_mark), announce=lambda phase: None)
    take.enter(ENCODE)
    queue.work(0.03)
    take.enter(DENOISE)
    for _ in range(3):
        time.sleep(asking)
        queue.work(working)
        take.end_step()
        take.begin_step()
    take.enter(DECODE)
    return {duration.phase: duration for duration in take.end()[1]}


def test_a_cpu_has_no_marks() -> None:
    """There the clock and the processor say all there is, and nothing is told of a GPU."""
    assert new_mark_of("cpu") is None
    take = TakeRecorder("one", 0, meter=Meter("cpu"), announce=lambda phase: None)
    take.enter(DENOISE)
    take.end_step()
    (duration,) = take.end()[1]
    assert duration.gpu is duration.waited is None
    assert duration.steps == duration.steps_clock


def test_a_gpu_is_timed_by_its_own_marks_within_the_clock(queue: Queue) -> None:
    """Its seconds of a phase are never more than the clock's, and those of the steps add up to no more."""
    durations = rendered(queue, asking=0.0, working=0.05)
    for duration in durations.values():
        assert duration.gpu is not None
        assert duration.gpu <= duration.seconds
    denoise = durations[DENOISE]
    assert denoise.steps == pytest.approx((0.05, 0.05, 0.05), abs=0.02)
    assert sum(denoise.steps) <= (denoise.gpu or 0.0) + 1e-6
    assert durations[ENCODE].gpu == pytest.approx(0.03, abs=0.02)


def test_no_step_waits_for_the_gpu(queue: Queue) -> None:
    """All steps are asked for before the first is done; what is waited for comes at the end of the phase."""
    denoise = rendered(queue, asking=0.0, working=0.1)[DENOISE]
    assert sum(denoise.steps_clock) < 0.1 < 0.2 < (denoise.waited or 0.0)


def test_a_gpu_that_is_asked_slowly_is_not_waited_for(queue: Queue) -> None:
    """Where asking takes longer than computing, nothing is left to wait for, and a step takes as long as asking."""
    denoise = rendered(queue, asking=0.05, working=0.001)[DENOISE]
    assert denoise.waited is not None
    assert denoise.waited < 0.02
    assert denoise.steps == pytest.approx(denoise.steps_clock, abs=0.02)


def test_marks_are_read_in_seconds(queue: Queue) -> None:
    """CUDA says milliseconds."""
    start = set_mark(queue.new_mark)
    queue.work(0.02)
    end = set_mark(queue.new_mark)
    queue.synchronise()
    assert seconds_between(start, end) == pytest.approx(0.02, abs=0.01)


def test_what_another_process_has_measured_of_a_gpu_is_added(queue: Queue) -> None:
    """A part's seconds of the GPU count as if they were from here."""
    meter = Meter("cpu", new_mark=queue.new_mark)
    elsewhere = Duration(ENCODE, 2.0, processor=1.0, gpu=0.5, waited=0.25)
    meter.absorb(meter.memory(), [elsewhere, elsewhere])
    spent = meter.take_spent()[ENCODE]
    assert (spent.seconds, spent.processor, spent.gpu, spent.waited) == (4.0, 2.0, 1.0, 0.5)

"""The meter: peaks of memory and seconds of each phase, without what measuring itself costs."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

from fluxgate.render.measure.gauges import (
    Gauge,
    Missing,
    allocator_gauges,
    driver_gauge,
    host_gauge,
    resident,
    unbacked,
)
from fluxgate.render.measure.gpu_marks import Mark, NewMark, new_mark_of, seconds_between, set_mark
from fluxgate.render.measure.library_caches import empty_library_caches
from fluxgate.render.measure.live_tensors import live_tensor_bytes
from fluxgate.render.measure.run_queue import seconds_waited_for_processor
from fluxgate.rendering import PHASES, Duration, Memory, PhaseMemory

FIGURES = ("allocated", "reserved", "driver", "host")


def synchronise(device: str) -> None:
    """Wait until the GPU has done all that it was asked to."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


@dataclass
class Spent:
    """Seconds by the clock, those for which the processor worked in all threads of this process, and the GPU's own."""

    seconds: float = 0.0
    processor: float = 0.0
    gpu: float | None = None  # between its marks at both ends; None where there is none
    waited: float | None = None  # for it, once all was asked for: next to none where asking takes longer than computing
    delayed: float | None = None  # for a processor that others had

    @classmethod
    def until_now(cls) -> Self:
        return cls(time.perf_counter(), time.process_time(), delayed=seconds_waited_for_processor())

    def add(self, other: Duration | Spent) -> None:
        self.seconds += other.seconds
        self.processor += other.processor or 0.0
        self.gpu = _sum(self.gpu, other.gpu)
        self.waited = _sum(self.waited, other.waited)
        self.delayed = _sum(self.delayed, other.delayed)

    def since(self, start: Spent) -> Spent:
        """What was spent from one moment to this one, whose marks say what the GPU did meanwhile."""
        delayed = None if self.delayed is None or start.delayed is None else max(0.0, self.delayed - start.delayed)
        worked = self.processor - start.processor
        return Spent(self.seconds - start.seconds, worked, self.gpu, self.waited, delayed)

    def duration(self, phase: str) -> Duration:
        return Duration(
            phase,
            self.seconds,
            processor=self.processor,
            gpu=self.gpu,
            waited=self.waited,
            delayed=self.delayed,
        )


def _sum(one: float | None, other: float | None) -> float | None:
    return one if other is None else (one or 0.0) + other


class Meter:
    """Measures bytes and seconds of the phase that is running."""

    def __init__(self, device: str, *, new_mark: NewMark | None = None) -> None:
        self.device = device
        self.new_mark = new_mark or new_mark_of(device)
        self._mark: Mark | None = None  # the GPU's at the start of the running phase
        allocated, reserved = allocator_gauges(device)
        driver, self.driver_scope = driver_gauge(device)
        self._gauges: dict[str, Gauge] = dict(zip(FIGURES, (allocated, reserved, driver, host_gauge()), strict=True))
        self._peaks: dict[str, dict[str, int]] = {}
        self._phase: str | None = None
        self._since = Spent()
        self._spent: dict[str, Spent] = {}
        self._host_before: int | None = None
        self._host_loaded: int | None = None
        self._host_grown: int | None = None
        self._rendered_again = False

    def measure_before(self) -> None:
        """Measure the host memory of a process that has imported everything and loaded nothing."""
        self._host_before = without_garbage(resident)

    def measure_loaded(self) -> None:
        """Measure the host memory of a pipeline that was read as a whole and has rendered nothing."""
        self._host_loaded = without_garbage(resident)

    @contextmanager
    def growth_measured(self) -> Iterator[None]:
        """Measure by how much host memory grows while something is done again."""
        self._rendered_again = True
        before = without_garbage(unbacked)
        yield
        after = without_garbage(unbacked)
        if before is not None and after is not None:
            self._host_grown = max(after - before, self._host_grown or 0)

    def switch(self, phase: str | None) -> None:
        """End the running phase and begin another; None ends measuring for now."""
        end, asked = self._set_mark(), time.perf_counter()
        synchronise(self.device)
        now = Spent.until_now()
        if self._mark and end:
            now.gpu, now.waited = seconds_between(self._mark, end), now.seconds - asked
        self._charge(now)
        self._phase = phase
        self._reset()
        self._since = Spent.until_now()
        self._mark = self._set_mark()

    def _set_mark(self) -> Mark | None:
        return set_mark(self.new_mark) if self.new_mark else None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside costs the running phase neither seconds nor bytes."""
        phase = self._phase
        self.switch(None)
        try:
            yield
        finally:
            self.switch(phase)

    def leave_out(self, seconds: float) -> None:
        """Leave out of the running phase what was spent on watching it, where a pause would disturb the GPU."""
        self._since.add(Spent(seconds, seconds))

    def absorb(self, memory: Memory, durations: Iterable[Duration]) -> None:
        """Add what another process has measured, as if it had happened here."""
        for entry in memory.phases:
            peaks = self._peaks.setdefault(entry.phase, {})
            for figure in FIGURES:
                value = getattr(entry, figure)
                if value is not None:
                    peaks[figure] = max(peaks.get(figure, 0), value)
        for duration in durations:
            self._spent.setdefault(duration.phase, Spent()).add(duration)

    def take_spent(self) -> dict[str, Spent]:
        """The seconds of each phase since the last call."""
        spent, self._spent = self._spent, {}
        return {phase: spent[phase] for phase in PHASES if phase in spent}

    def _charge(self, now: Spent) -> None:
        if self._phase is None:
            return
        self._spent.setdefault(self._phase, Spent()).add(now.since(self._since))
        peaks = self._peaks.setdefault(self._phase, {})
        for figure, gauge in self._gauges.items():
            value = gauge.peak()
            if value is not None:
                peaks[figure] = max(peaks.get(figure, 0), value)

    def _reset(self) -> None:
        for gauge in self._gauges.values():
            gauge.reset()

    def close(self) -> None:
        """Stop the threads that sample."""
        for gauge in self._gauges.values():
            gauge.close()

    def memory(
        self, *, held_after: int | None = None, host_held: int | None = None, host_after: int | None = None
    ) -> Memory:
        """All that was measured so far."""
        phases = tuple(
            PhaseMemory(phase, *(self._peaks[phase].get(figure) for figure in FIGURES))
            for phase in PHASES
            if phase in self._peaks
        )
        hosts = [entry.host for entry in phases if entry.host is not None]
        return Memory(
            phases=phases,
            held_after=held_after,
            host_peak=max(hosts) if hosts else None,
            host_after=host_after,
            host_loaded=self._host_loaded,
            host_before=self._host_before,
            host_held=host_held,
            host_grown=self._host_grown,
            driver_scope=self.driver_scope,
            unavailable=self._unavailable(held_after, host_after),
        )

    def after(self) -> Memory:
        """The same, and what is still held once the pipeline is freed."""
        on_host = live_tensor_bytes()
        held_after = allocated_on_gpu() if self.device == "cuda" else on_host
        found = self.memory(held_after=held_after, host_held=on_host, host_after=without_garbage(resident))
        return replace(found, held_by_caches=held_after - _without_caches(self.device)) if held_after else found

    def _unavailable(self, held_after: int | None, host_after: int | None) -> dict[str, str]:
        reasons = {figure: gauge.reason for figure, gauge in self._gauges.items() if isinstance(gauge, Missing)}
        if held_after is None:
            reasons["held_after"] = "the worker ended before it had freed the pipeline"
        if host_after is None:
            reasons["host_after"] = reasons.get("host", "the worker ended before it had freed the pipeline")
        if not self._rendered_again:
            reasons["host_grown"] = "no shot was rendered a second time"
        if "host" in reasons:
            reasons["host_peak"] = reasons["host"]
            reasons.setdefault("host_grown", reasons["host"])
        return reasons


def _without_caches(device: str) -> int:
    """What is held once libraries' caches of functions are empty."""
    empty_library_caches()
    return held_now(device)


def held_now(device: str) -> int:
    """Bytes of tensors that are alive where the pipeline runs, once what nobody refers to is gone."""
    if device != "cuda":
        return live_tensor_bytes()
    gc.collect()
    return allocated_on_gpu()


def allocated_on_gpu() -> int:
    """Bytes that are still allocated on the GPU, without what torch keeps for itself."""
    import torch

    clear = getattr(torch._C, "_cuda_clearCublasWorkspaces", None)
    if clear is not None:  # cuBLAS's workspace is torch's own and stays for the life of the process
        clear()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    return int(torch.cuda.memory_allocated())


def without_garbage(read: Callable[[], int]) -> int | None:
    """Bytes of this process without garbage, and without the free pages that the C library keeps; None where the
    system does not report them."""
    import ctypes

    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # glibc keeps freed pages otherwise, and a leak would look like a cache
        trim(0)
    try:
        return read()
    except (OSError, LookupError):
        return None

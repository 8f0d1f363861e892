"""The meter: peaks of memory and seconds, separately for each phase, without what the measuring itself costs."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from fluxgate.render.measure.live_tensors import bytes_alive
from fluxgate.rendering import PHASES, Duration, Memory, PhaseMemory

FIGURES = ("allocated", "reserved", "driver", "host")


def synchronise(device: str) -> None:
    """Wait until the GPU has done all that it was given."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


@dataclass
class Spent:
    """Seconds of a clock, and those that the processor worked, in all threads of this process."""

    seconds: float = 0.0
    processor: float = 0.0

    @classmethod
    def until_now(cls) -> Self:
        return cls(time.perf_counter(), time.process_time())

    def add(self, seconds: float, processor: float) -> None:
        self.seconds += seconds
        self.processor += processor


class Meter:
    """Knows which phase is running, and charges bytes and seconds to it."""

    def __init__(self, device: str) -> None:
        self.device = device
        allocated, reserved = allocator_gauges(device)
        driver, self.driver_scope = driver_gauge(device)
        self._gauges: dict[str, Gauge] = dict(zip(FIGURES, (allocated, reserved, driver, host_gauge()), strict=True))
        self._peaks: dict[str, dict[str, int]] = {}
        self._phase: str | None = None
        self._since = Spent()
        self._spent: dict[str, Spent] = {}
        self._loaded: int | None = None
        self._grown: int | None = None

    def loaded(self) -> None:
        """The pipeline is there, all of it was read, and nothing was rendered with it."""
        self._loaded = tidied(resident)

    @contextmanager
    def growing(self) -> Iterator[None]:
        """By how much this process's memory grows while something is done that was done before."""
        before = tidied(unbacked)
        yield
        after = tidied(unbacked)
        if before is not None and after is not None:
            self._grown = max(after - before, self._grown or 0)

    def switch(self, phase: str | None) -> None:
        """End the running phase and begin another; None ends measuring for now."""
        synchronise(self.device)
        self._charge(Spent.until_now())
        self._phase = phase
        self._reset()
        self._since = Spent.until_now()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside costs the running phase neither seconds nor bytes."""
        phase = self._phase
        self.switch(None)
        try:
            yield
        finally:
            self.switch(phase)

    def forgive(self, seconds: float) -> None:
        """Take seconds off the running phase that were spent on looking, where a pause would disturb the GPU."""
        self._since.add(seconds, seconds)

    def absorb(self, memory: Memory, durations: Iterable[Duration]) -> None:
        """Take in what another process has measured, as if it had happened here."""
        for entry in memory.phases:
            peaks = self._peaks.setdefault(entry.phase, {})
            for figure in FIGURES:
                value = getattr(entry, figure)
                if value is not None:
                    peaks[figure] = max(peaks.get(figure, 0), value)
        for duration in durations:
            self._spent.setdefault(duration.phase, Spent()).add(duration.seconds, duration.processor or 0.0)

    def take_spent(self) -> dict[str, Spent]:
        """What each phase took since this was asked last."""
        taken, self._spent = self._spent, {}
        return {phase: taken[phase] for phase in PHASES if phase in taken}

    def _charge(self, now: Spent) -> None:
        if self._phase is None:
            return
        since = self._since
        spent = self._spent.setdefault(self._phase, Spent())
        spent.add(now.seconds - since.seconds, now.processor - since.processor)
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
        """All that was measured until now."""
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
            host_loaded=self._loaded,
            host_held=host_held,
            host_grown=self._grown,
            driver_scope=self.driver_scope,
            unavailable=self._unavailable(held_after, host_after),
        )

    def after(self) -> Memory:
        """The same, with what stayed once everything was let go."""
        alive = bytes_alive()
        held_after = held() if self.device == "cuda" else alive
        return self.memory(held_after=held_after, host_held=alive, host_after=tidied(resident))

    def _unavailable(self, held_after: int | None, host_after: int | None) -> dict[str, str]:
        reasons = {figure: gauge.reason for figure, gauge in self._gauges.items() if isinstance(gauge, Missing)}
        if held_after is None:
            reasons["held_after"] = "the worker ended before it had freed the pipeline"
        if host_after is None:
            reasons["host_after"] = reasons.get("host", "the worker ended before it had freed the pipeline")
        if "host" in reasons:
            reasons["host_peak"] = reasons["host"]
        return reasons


def held() -> int:
    """Bytes still allocated on the GPU after everything was let go."""
    import torch

    clear = getattr(torch._C, "_cuda_clearCublasWorkspaces", None)
    if clear is not None:  # cuBLAS's workspace is torch's own and stays for the life of the process
        clear()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    return int(torch.cuda.memory_allocated())


def tidied(read: Callable[[], int]) -> int | None:
    """Bytes of this process without garbage, and without the free pages that the C library keeps; None where the
    system does not tell."""
    import ctypes

    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # glibc keeps freed pages otherwise, and a leak could not be told from a cache
        trim(0)
    try:
        return read()
    except (OSError, LookupError):
        return None

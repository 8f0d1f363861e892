"""Gauges of memory: each reads the peak since its last reset, or says why it cannot."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
UNBACKED = ("RssAnon", "RssShmem", "VmSwap")  # fields of that file
PAUSE = 0.004  # seconds between two samples


class Gauge(Protocol):
    """A figure with a high-water mark."""

    def peak(self) -> int | None: ...

    def reset(self) -> None: ...

    def close(self) -> None: ...


class Missing:
    """A figure that cannot be measured here, and why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def peak(self) -> None:
        return None

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


class Sampled:
    """The highest of many readings, taken by a thread: a spike shorter than the pause can be missed."""

    def __init__(self, read: Callable[[], int], *, pause: float = PAUSE) -> None:
        self._read = read
        self._pause = pause
        self._highest = read()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_closed, name="fluxgate-gauge", daemon=True)
        self._thread.start()

    def _sample_until_closed(self) -> None:
        while not self._closed.wait(self._pause):
            self._sample()

    def _sample(self) -> int:
        value = self._read()
        with self._lock:
            self._highest = max(self._highest, value)
            return self._highest

    def peak(self) -> int:
        return self._sample()

    def reset(self) -> None:
        value = self._read()
        with self._lock:
            self._highest = value

    def close(self) -> None:
        self._closed.set()
        self._thread.join()


class HighWater:
    """The kernel's own high-water mark of this process's resident memory."""

    def peak(self) -> int:
        return status_bytes("VmHWM")

    def reset(self) -> None:
        CLEAR_REFS.write_text("5")

    def close(self) -> None:
        pass


class Allocator:
    """One of the peaks that torch's CUDA allocator keeps."""

    def __init__(self, read: Callable[[], int], reset: Callable[[], None]) -> None:
        self._read = read
        self._reset = reset

    def peak(self) -> int:
        return int(self._read())

    def reset(self) -> None:
        self._reset()

    def close(self) -> None:
        pass


def status_bytes(field: str) -> int:
    """A figure of /proc/self/status, in bytes."""
    for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"{STATUS} has no {field}")


def resident() -> int:
    """The bytes of this process that are resident now."""
    return status_bytes("VmRSS")


def unbacked() -> int:
    """The bytes of this process that are in no file, in memory or swapped out: the system reclaims none of them by
    itself."""
    return sum(map(status_bytes, UNBACKED))


def host_gauge() -> Gauge:
    """Peak resident memory of this process: the kernel's mark where it may be reset, else sampled."""
    try:
        resident()
    except (OSError, LookupError):
        return Missing("the system does not report resident memory (there is no /proc/self/status)")
    try:
        HighWater().reset()
        HighWater().peak()
        return HighWater()
    except (OSError, LookupError):
        return Sampled(resident)


def allocator_gauges(device: str) -> tuple[Gauge, Gauge]:
    """The peaks of allocated and of reserved bytes."""
    if device != "cuda":
        missing = Missing("the pipeline runs on the CPU, whose allocations torch does not count")
        return missing, missing
    import torch

    return (
        Allocator(torch.cuda.max_memory_allocated, torch.cuda.reset_peak_memory_stats),
        Allocator(torch.cuda.max_memory_reserved, torch.cuda.reset_peak_memory_stats),
    )


def driver_gauge(device: str) -> tuple[Gauge, str | None]:
    """What the driver counts, and whether that is for this process or for the whole device."""
    if device != "cuda":
        return Missing("the pipeline runs on the CPU: there is no driver to ask"), None
    import torch

    _context()
    own = _process_reader()
    if own is not None:
        return Sampled(own), "process"

    def used() -> int:
        free, total = torch.cuda.mem_get_info()
        return int(total - free)

    return Sampled(used), "device"


def _context() -> None:
    """Make this process one that the driver lists."""
    import torch

    torch.empty(1, device="cuda")


def _process_reader() -> Callable[[], int] | None:
    """A reader of this process's own bytes, or None where NVML does not list it (as in most containers)."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = _handle(pynvml)
        read = _reading(pynvml, handle, os.getpid())
        read()
        return read
    except Exception:  # whatever the library or its driver lacks: the device-wide figure remains
        return None


def _handle(nvml: Any) -> Any:
    """NVML's handle of the GPU that torch calls 0, whatever CUDA_VISIBLE_DEVICES hides."""
    import torch

    uuid = str(torch.cuda.get_device_properties(0).uuid)
    name = uuid if uuid.startswith("GPU-") else f"GPU-{uuid}"
    try:
        return nvml.nvmlDeviceGetHandleByUUID(name)
    except TypeError:  # older releases of nvidia-ml-py want bytes
        return nvml.nvmlDeviceGetHandleByUUID(name.encode())


def _reading(nvml: Any, handle: Any, process: int) -> Callable[[], int]:
    last = 0

    def read() -> int:
        nonlocal last
        for entry in nvml.nvmlDeviceGetComputeRunningProcesses(handle):
            if entry.pid == process and entry.usedGpuMemory is not None:
                last = int(entry.usedGpuMemory)
                return last
        if last:  # the list is empty for a moment now and then
            return last
        raise LookupError("NVML does not list this process")

    return read

"""Tests of the gauges against allocations of known size."""

from __future__ import annotations

import gc
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fluxgate.render.measure import gauges
from fluxgate.render.measure.gauges import (
    HighWater,
    Missing,
    Sampled,
    allocator_gauges,
    driver_gauge,
    host_gauge,
    resident,
    unbacked,
)

SIZE = 96 << 20
SLACK = 12 << 20  # what else may come and go meanwhile


@pytest.fixture(autouse=True)
def settled() -> None:
    """What earlier tests have left in cycles is freed now, not between two readings."""
    gc.collect()


needs_proc = pytest.mark.skipif(not gauges.STATUS.exists(), reason="there is no /proc/self/status here")


def touched(size: int) -> mmap.mmap:
    """Memory that the system must really provide."""
    block = mmap.mmap(-1, size)
    for place in range(0, size, mmap.PAGESIZE):
        block[place] = 1
    return block


@contextmanager
def file_in_memory(folder: Path) -> Iterator[None]:
    """As many pages of a file, which the system may take back at any time, and read again."""
    file = folder / "file"
    file.write_bytes(bytes(SIZE))
    before, all_before = unbacked(), resident()
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), SIZE, prot=mmap.PROT_READ) as block:
        assert sum(block[place] for place in range(0, SIZE, mmap.PAGESIZE)) == 0
        assert resident() - all_before > SIZE - SLACK
        if unbacked() - before > SIZE - SLACK:
            pytest.skip("temporary files lie in memory here, so nothing stands behind their pages")
        yield


def sampled() -> Any:
    return Sampled(resident, pause=0.001)


@needs_proc
@pytest.mark.parametrize("make", [HighWater, sampled])
def test_the_peak_of_a_known_allocation(make: Any) -> None:
    """The peak rises by what was touched, stays when it is freed, and falls when it is reset."""
    gauge = make()
    gauge.reset()
    before = gauge.peak()
    block = touched(SIZE)
    time.sleep(0.05)
    block.close()
    assert SIZE - SLACK < gauge.peak() - before < SIZE + SLACK
    gauge.reset()
    assert gauge.peak() < before + SLACK
    gauge.close()


@needs_proc
def test_memory_that_is_only_reserved_does_not_count() -> None:
    """Pages that nobody has touched are not resident."""
    before = resident()
    block = mmap.mmap(-1, SIZE)
    assert resident() - before < SLACK
    block.close()


@needs_proc
def test_pages_of_a_file_are_backed(tmp_path: Path) -> None:
    """They are not what a process alone can give back; memory of no file is."""
    before = unbacked()
    with file_in_memory(tmp_path):
        assert unbacked() - before < SLACK
    kept = touched(SIZE)
    assert unbacked() - before > SIZE - SLACK
    kept.close()


ONE_ARRAY = """
import sys
import numpy as np
from fluxgate.render.measure.gauges import HighWater

gauge = HighWater()
gauge.reset()
before = gauge.peak()
array = np.ones(int(sys.argv[1]) // 8)
print(gauge.peak() - before)
"""


@needs_proc
def test_an_array_of_numpy_counts() -> None:
    """A large array is as many bytes of resident memory as it holds, in a process whose heap has no room for it yet:
    in an old one it can lie in freed memory that the heap has kept, and nothing rises."""
    ran = subprocess.run([sys.executable, "-c", ONE_ARRAY, str(SIZE)], capture_output=True, text=True, check=True)
    assert SIZE - SLACK < int(ran.stdout) < SIZE + SLACK


@needs_proc
def test_the_kernels_mark_is_preferred() -> None:
    """Where it may be reset, no thread samples."""
    gauge = host_gauge()
    assert isinstance(gauge, HighWater | Sampled)
    gauge.close()


def test_sampling_where_the_mark_may_not_be_reset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In some containers the mark is read-only: then a thread reads what is resident."""
    monkeypatch.setattr(gauges, "CLEAR_REFS", tmp_path / "no" / "such")
    gauge = host_gauge()
    assert isinstance(gauge, Sampled)
    gauge.close()


def test_no_figure_where_the_system_tells_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is missing with its reason, never 0."""
    monkeypatch.setattr(gauges, "STATUS", tmp_path / "status")
    gauge = host_gauge()
    assert isinstance(gauge, Missing)
    assert "/proc/self/status" in gauge.reason


def test_a_status_without_the_field(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kernel that leaves a field out is not one that uses no memory."""
    status = tmp_path / "status"
    status.write_text("VmSize: 12 kB\n")
    monkeypatch.setattr(gauges, "STATUS", status)
    assert gauges.status_bytes("VmSize") == 12 * 1024
    with pytest.raises(LookupError, match="VmHWM"):
        gauges.status_bytes("VmHWM")


def test_on_a_cpu_the_gpus_figures_are_missing_with_a_reason() -> None:
    """Allocated, reserved and driver: None, and in words why."""
    driver, scope = driver_gauge("cpu")
    for gauge in (*allocator_gauges("cpu"), driver):
        assert gauge.peak() is None
        gauge.reset()
        gauge.close()
        assert isinstance(gauge, Missing)
        assert "CPU" in gauge.reason
    assert scope is None


def nvml(*lists: list[Any]) -> Any:
    """A driver's library that answers with these lists of processes, one after another."""
    answers = iter(lists)
    return SimpleNamespace(nvmlDeviceGetComputeRunningProcesses=lambda handle: next(answers))


def entry(pid: int, used: int | None) -> Any:
    return SimpleNamespace(pid=pid, usedGpuMemory=used)


def test_the_drivers_list_is_read_for_this_process() -> None:
    """Other processes' bytes are not counted; a list that is empty for a moment keeps the last figure."""
    read = gauges._reading(nvml([entry(1, 7), entry(2, 40)], [], [entry(2, 50)]), None, 2)
    assert [read(), read(), read()] == [40, 40, 50]


@pytest.mark.parametrize("answer", [[], [entry(1, 7)], [entry(2, None)]])
def test_a_driver_that_does_not_list_the_process(answer: list[Any]) -> None:
    """In a container it lists foreign ids, or sizes it does not know: that is no figure for a process."""
    with pytest.raises(LookupError):
        gauges._reading(nvml(answer), None, 2)()


@pytest.fixture
def no_context(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Torch's questions to a GPU, answered without one: 10 of 40 bytes are used."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(gauges, "_context", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (30, 40))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid="aaaa"))
    return torch


def test_the_whole_devices_figure_is_named_as_such(no_context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the driver does not list the process: all that is used on the device, whoever uses it."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    gauge, scope = driver_gauge("cuda")
    assert (gauge.peak(), scope) == (10, "device")
    gauge.close()


@pytest.mark.parametrize("old", [False, True])
def test_the_processes_own_figure_is_preferred(no_context: Any, monkeypatch: pytest.MonkeyPatch, old: bool) -> None:
    """It is asked of the GPU that torch calls 0, by its uuid, in bytes for older releases of the library."""

    def handle(uuid: Any) -> Any:
        if old and isinstance(uuid, str):
            raise TypeError(uuid)
        return uuid if isinstance(uuid, str) else uuid.decode()

    def processes(handle: str) -> Any:
        return [entry(os.getpid(), 7)] if handle == "GPU-aaaa" else []

    library = SimpleNamespace(
        nvmlInit=lambda: None, nvmlDeviceGetHandleByUUID=handle, nvmlDeviceGetComputeRunningProcesses=processes
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    gauge, scope = driver_gauge("cuda")
    assert (gauge.peak(), scope) == (7, "process")
    gauge.close()


def test_the_allocators_peaks_are_read_and_reset(no_context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Allocated and reserved are two figures, with one reset."""
    resets: list[int] = []
    monkeypatch.setattr(no_context.cuda, "max_memory_allocated", lambda: 5)
    monkeypatch.setattr(no_context.cuda, "max_memory_reserved", lambda: 6)
    monkeypatch.setattr(no_context.cuda, "reset_peak_memory_stats", lambda: resets.append(1))
    allocated, reserved = allocator_gauges("cuda")
    assert (allocated.peak(), reserved.peak()) == (5, 6)
    allocated.reset()
    allocated.close()
    assert resets == [1]

"""Counters of a process: what it holds outside of tensors, exactly, at one moment.

Each is a count, or bytes that an allocator knows to be in use, and no estimate: what a call has freed is not in it, and
what it keeps is, whichever pages the system has taken back."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from fluxgate.render.measure.mapped_files import mapped_bytes
from fluxgate.rendering import BLOCKS, FILES_OPEN, GPU_OTHERWISE, MALLOC, MAPPED, THREADS

PROCESS = Path("/proc/self")
FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class _Mallinfo(ctypes.Structure):
    """What the GNU C library's `mallinfo2` returns: of all arenas."""

    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]


def counters(device: str) -> dict[str, int]:
    """All that this system can tell, once what nobody refers to is gone."""
    gc.collect()
    found: dict[str, int] = {}
    for name, read in READERS.items():
        value = read()
        if value is not None:
            found[name] = value
    if device == "cuda":
        found[GPU_OTHERWISE] = gpu_outside_of_torch()
    return found


def malloc_in_use() -> int | None:
    """Bytes that the C library has given out; None where another allocator is in its place."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)  # of glibc 2.33 and later
    if mallinfo is None or os.environ.get("LD_PRELOAD"):
        return None
    mallinfo.restype = _Mallinfo
    told = mallinfo()
    return int(told.uordblks + told.hblkhd)


def _entries(name: str) -> Callable[[], int | None]:
    def count() -> int | None:
        try:
            return len(os.listdir(PROCESS / name))
        except OSError:
            return None

    return count


def gpu_outside_of_torch() -> int:
    """Bytes of the GPU that are in use and not torch's: contexts, libraries' workspaces, and other processes'."""
    import torch

    torch.cuda.synchronize()
    free, total = torch.cuda.mem_get_info()
    return int(total - free) - int(torch.cuda.memory_reserved())


def objects_by_type() -> Counter[str]:
    """How many objects of each type there are that the collector knows and that came after the imports."""
    return Counter(type(each).__name__ for each in gc.get_objects())


READERS: dict[str, Callable[[], int | None]] = {
    MALLOC: malloc_in_use,
    BLOCKS: sys.getallocatedblocks,
    MAPPED: mapped_bytes,
    FILES_OPEN: _entries("fd"),
    THREADS: _entries("task"),
}

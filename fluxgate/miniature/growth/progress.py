"""How far a growth has come, in bytes: told to a function, or drawn as a bar."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TextIO

from fluxgate.amounts import amount
from fluxgate.miniature.growth.shards import AddBytes

Progress = Callable[[int, int], None]  # called with the bytes done and the bytes in all
WIDTH = 30  # of a bar, in characters


def silent(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


def bar(stream: TextIO | None = None) -> Progress:
    """A progress bar on a terminal; elsewhere a line for every tenth."""
    out = stream or sys.stderr
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        share = done / total if total else 1.0
        now = int(share * (1000 if out.isatty() else 10))
        if now == shown:
            return
        shown = now
        line = f"{share:4.0%}  {amount(done)} of {amount(total)}"
        if out.isatty():
            line = f"\r{'█' * int(share * WIDTH):░<{WIDTH}} {line} "
        out.write(line + ("" if out.isatty() and done < total else "\n"))
        out.flush()

    return show


def counter(progress: Progress, total: int, *, done: int = 0) -> AddBytes:
    """Adds up what several threads report."""
    lock = threading.Lock()

    def count(more: int) -> None:
        nonlocal done
        with lock:
            done += more
            progress(done, total)

    return count

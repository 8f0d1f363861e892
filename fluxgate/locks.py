"""Waiting for other processes: files that one of them holds at a time, and lines that say how long it takes."""

from __future__ import annotations

import fcntl
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PAUSE = 0.05  # seconds between two looks
FIRST_LINE = 1.0  # seconds of waiting before the first line about it
SHORTEST_GAP, LONGEST_GAP = 10.0, 300.0  # seconds between two lines: between these, as long as was waited already


Say = Callable[[str], None]  # tells somebody a line of progress


def silent(line: str) -> None:
    """Report nothing."""


@contextmanager
def held(path: Path, *, waiting: str, report: Say = silent, timeout: float = math.inf) -> Iterator[None]:
    """Hold a lock file alone. The system releases it if this process dies.

    `waiting` says what is waited for, and is reported with the time so far. TimeoutError after `timeout` seconds. Users
    who may write to one another's files may wait for one another."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        wait_until(
            lambda: acquired(handle, fcntl.LOCK_EX),
            waiting=lambda seconds: f"{waiting} ({seconds:.0f} s so far)",
            report=report,
            timeout=timeout,
        )
        yield
    finally:
        os.close(handle)


def acquired(handle: int, kind: int) -> bool:
    """Try to lock an open file, and say whether that succeeded."""
    with suppress(BlockingIOError):
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
        return True
    return False


def wait_until(
    reached: Callable[[], bool],
    *,
    waiting: Callable[[float], str],
    report: Say = silent,
    timeout: float = math.inf,
) -> None:
    """Look again and again until it is reached, and report now and then what `waiting` makes of the seconds so far."""
    started, due = time.monotonic(), FIRST_LINE
    while not reached():
        waited = time.monotonic() - started
        if waited > timeout:
            raise TimeoutError(waiting(waited))
        if waited >= due:
            report(waiting(waited))
            due = waited + min(max(waited, SHORTEST_GAP), LONGEST_GAP)
        time.sleep(PAUSE)

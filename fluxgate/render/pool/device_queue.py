"""Turns: on one device measured cases are never rendered at the same time, whichever process asks."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PAUSE = 0.05
PATIENCE = 10.0  # seconds of waiting before, and between, words about it


@contextmanager
def turn(device: str, *, report: Callable[[str], None] = lambda line: None) -> Iterator[None]:
    """Hold a device, named by its GPU's uuid or "cpu", until the work inside is done."""
    with held_file(_lock_file(device), waiting=f"waiting for another process that renders on {device}", report=report):
        yield


@contextmanager
def held_file(path: Path, *, waiting: str, report: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock file; the system lets go of it if this process dies."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _wait(handle, waiting, report)
        yield
    finally:
        os.close(handle)


def _wait(handle: int, waiting: str, report: Callable[[str], None]) -> None:
    words_due = time.monotonic() + 1.0
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= words_due:
                report(waiting)
                words_due = time.monotonic() + PATIENCE
            time.sleep(PAUSE)


def _lock_file(device: str) -> Path:
    name = re.sub(r"[^A-Za-z0-9-]", "-", device)
    return Path(tempfile.gettempdir()) / f"fluxgate-{os.getuid()}-{name}.lock"

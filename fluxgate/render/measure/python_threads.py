"""The threads of Python's that run in this process."""

from __future__ import annotations

import threading

HELPERS = ("TMonitor",)  # tqdm's, of which it has one for all of its bars


def python_threads() -> set[int]:
    """Their ids, without those of helpers that a process has once."""
    return {id(one) for one in threading.enumerate() if type(one).__name__ not in HELPERS}

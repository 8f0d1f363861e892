"""Sleeps: a thread that asks to wait for a while, which no operator shows, and the clock only on a quiet machine."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fluxgate.rendering import SLEEPS

NAME = "sleep"  # by which modules have it
OWN = "fluxgate.render."  # waits for processes of parts, and for gauges

Add = Callable[..., None]


@contextmanager
def sleeps_counted(add: Add) -> Iterator[None]:
    """Count those of this thread meanwhile, in whatever module; afterwards each has its function back."""
    sleep, thread = time.sleep, threading.get_ident()

    def counting(seconds: float, /) -> None:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if seconds > 0 and threading.get_ident() == thread and not caller.startswith(OWN):
            add("events", SLEEPS)
        sleep(seconds)

    owners = [module for module in tuple(sys.modules.values()) if _names(module).get(NAME) is sleep]
    try:
        for module in owners:
            setattr(module, NAME, counting)
        yield
    finally:
        for module in owners:
            setattr(module, NAME, sleep)


def _names(module: Any) -> dict[str, Any]:
    """What a module has, without waking one that imports what it is asked for."""
    names = getattr(module, "__dict__", None)
    return names if isinstance(names, dict) else {}

"""For how long this process's threads were ready to work and had no processor, because others had it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

THREADS = Path("/proc/self/task")
STATISTICS = "schedstat"  # nanoseconds of work, nanoseconds of waiting for a processor, turns


def seconds_waited_for_processor() -> float | None:
    """Of all threads that live now, since each began; None where the system does not say."""
    try:
        threads = list(THREADS.iterdir())
    except OSError:
        return None
    waited = []
    for thread in threads:
        with suppress(OSError, IndexError, ValueError):  # a thread may end meanwhile
            waited.append(int((thread / STATISTICS).read_text(encoding="ascii").split()[1]))
    return sum(waited) / 1e9 if waited else None

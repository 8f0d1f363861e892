"""How often something was written to Python's standard output, which is the program's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class CountedOutput:
    """A stream that passes everything on, and counts."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.writes = 0

    def write(self, text: str) -> int:
        self.writes += bool(text)
        return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def writes_counted() -> Iterator[CountedOutput]:
    """Count what is written meanwhile."""
    before = sys.stdout
    counted: Any = CountedOutput(before)
    sys.stdout = counted
    try:
        yield counted
    finally:
        if sys.stdout is counted:
            sys.stdout = before

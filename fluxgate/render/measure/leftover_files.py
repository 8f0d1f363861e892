"""Files that are made and not removed again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EVENTS = ("tempfile.mkstemp", "tempfile.mkdtemp")  # which Python passes to an audit hook, with the path


class LeftoverFiles:
    """Watches a folder, and whatever this process makes with tempfile from now on, wherever that is."""

    def __init__(self, folder: Path) -> None:
        self.count: int | None = None  # None until it was counted
        self._places = {str(folder)}
        sys.addaudithook(self._note_place)  # for good: Python removes no hook

    def _note_place(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS:
            self._places.add(os.fsdecode(arguments[0]))

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the files and folders that there are more once something was done again."""
        before = self._paths()
        yield
        self.count = (self.count or 0) + len(self._paths() - before)

    def _paths(self) -> set[str]:
        paths = set()
        for place in tuple(self._places):
            if os.path.lexists(place):
                paths.add(place)
                paths.update(os.path.join(folder, name) for folder, _, names in os.walk(place) for name in names)
        return paths

"""Files that are made and not removed again."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EVENTS = ("tempfile.mkstemp", "tempfile.mkdtemp")  # which Python passes to an audit hook, with the path
DELETING = tempfile.TemporaryDirectory  # whose folder goes when nobody refers to it any more
PYTHONS_OWN = "pymp-"  # begins the names of folders that multiprocessing removes when the process ends


class LeftoverFiles:
    """Watches a folder, and whatever this process makes with tempfile from now on, wherever that is."""

    def __init__(self, folder: Path) -> None:
        self.count: int | None = None  # None until it was counted
        self._folder = str(folder)
        self._places = {self._folder}
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

    def at_end(self) -> int:
        """How many there are of what was made outside of the folder. What a TemporaryDirectory holds goes with it."""
        gone = {self._folder, *(getattr(one, "name", "") for one in gc.get_objects() if type(one) is DELETING)}
        places = {place for place in self._places if not os.path.basename(place).startswith(PYTHONS_OWN)}
        paths = self._paths_in(place for place in places if not place.startswith(f"{self._folder}{os.sep}"))
        return len(paths - self._paths_in(gone))

    def _paths(self) -> set[str]:
        return self._paths_in(tuple(self._places))

    def _paths_in(self, places: Iterable[str]) -> set[str]:
        paths = set()
        for place in places:
            if os.path.lexists(place):
                paths.add(place)
                paths.update(os.path.join(folder, name) for folder, _, names in os.walk(place) for name in names)
        return paths

"""Files that are made and not taken away again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MAKING = ("tempfile.mkstemp", "tempfile.mkdtemp")  # what Python tells an audit hook, with the path


class Litter:
    """Looks after a folder, and after what this process makes with tempfile from now on, wherever that is."""

    def __init__(self, folder: Path) -> None:
        self.left = 0
        self._places = {str(folder)}
        sys.addaudithook(self._hear)  # for good: Python takes no hook away

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in MAKING:
            self._places.add(os.fsdecode(arguments[0]))

    @contextmanager
    def growing(self) -> Iterator[None]:
        """Count the files and folders that there are more while something is done that was done before."""
        before = self._there()
        yield
        self.left += len(self._there() - before)

    def _there(self) -> set[str]:
        found = set()
        for place in tuple(self._places):
            if os.path.lexists(place):
                found.add(place)
                found.update(os.path.join(folder, name) for folder, _, names in os.walk(place) for name in names)
        return found

"""The pictures of a case, as files in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fluxgate.pictures import QUICKLY, hash_of, write_png
from fluxgate.rendering import Picture


class PictureFiles:
    """Writes each picture, unless the first take of its shot gave the very same one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._first: dict[tuple[str, int], Picture] = {}  # by shot and index

    @property
    def first(self) -> tuple[Picture, ...]:
        """The pictures of the first takes."""
        return tuple(self._first.values())

    def write(self, image: Any, *, shot: str, take: int, index: int, frames: int | None = None) -> Picture:
        """What is noted of the picture, its file among it."""
        sha256 = hash_of(np.asarray(image))
        first = self._first.get((shot, index))
        is_same = first is not None and first.sha256 == sha256
        file = first.file if first and is_same else f"{shot}-{index}{f'-take{take}' if take else ''}.png"
        picture = Picture(shot, index, take, file, sha256, image.height, image.width, image.mode, frames)
        if not is_same:
            write_png(self._folder / file, image, effort=QUICKLY)
        self._first.setdefault((shot, index), picture)
        return picture

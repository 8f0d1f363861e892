"""Pictures that are not the accepted ones, as a person looks at them: how many pixels, by how much, and side by side.

The judge's measures take a second for each million pixels. Here hundreds of pictures may change at once, and what
decides is a person's eye."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from fluxgate import figures
from fluxgate.compare.facts import Facts, Source
from fluxgate.compare.likeness import first_change, mismatch
from fluxgate.compare.strips import AMPLIFIED, Columns, side_by_side
from fluxgate.pictures import QUICKLY, Pixels, rgb, write_png

OLD, NEW = "old", "new"

One = TypeVar("One")
Other = TypeVar("Other")


@dataclass(frozen=True)
class PictureChange:
    """One picture of a shot that is not among those accepted for it."""

    shot: str
    index: int
    old: Source | None  # the one that was accepted last, if any
    new: Source

    def line(self) -> str:
        """How it changes, in words; both files are read, and must show what their hashes say."""
        name, new = f"picture {self.index} of shot {self.shot!r}", self.new.read()
        if self.old is None:
            return f"{name} is new"
        if not self.old.kept:
            return f"{name} is another one than was accepted, of which only the hash was kept"
        old = self.old.read()
        if (trouble := mismatch(old, new)) is not None:
            return f"{name} {trouble}"
        gap = _gap(old, new)
        share = figures.percent(float((gap if gap.ndim == 2 else gap.max(axis=2)).astype(bool).mean()))
        row, column = first_change(old, new) or (0, 0)
        return (
            f"{name} differs in {share} of its pixels by at most {gap.max()}/255, first at row {row}, column {column}"
        )

    def columns(self) -> Columns:
        """Old, new, and where both have a size and a mode, their difference stretched to full contrast."""
        old, new = self.old.read() if self.old and self.old.kept else None, self.new.read()
        if old is None or mismatch(old, new) is not None:
            return {OLD: None if old is None else rgb(old), NEW: rgb(new), AMPLIFIED: None}
        gap = _gap(old, new).astype(np.float32)
        return {
            OLD: rgb(old),
            NEW: rgb(new),
            AMPLIFIED: rgb(np.rint(gap * (255 / max(gap.max(), 1))).astype(np.uint8)),
        }


def picture_changes(accepted: Facts, rendered: Facts) -> tuple[PictureChange, ...]:
    """The pictures that are not among the accepted ones of their shot, by their hashes."""
    return tuple(
        PictureChange(*key, old[-1] if (old := accepted.pictures.get(key, ())) else None, new)
        for key, (new, *_) in rendered.pictures.items()
        if new not in accepted.pictures.get(key, ())
    )


def draw(changes: Sequence[PictureChange], path: Path) -> None:
    """A row for each picture, old beside new."""
    write_png(path, side_by_side([change.columns() for change in changes]), effort=QUICKLY)


def on_all_cores(work: Callable[[One], Other], given: Iterable[One]) -> list[Other]:
    """The work on each of the given, in order; reading, comparing and writing pictures lets other threads run."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, given))


def _gap(old: Pixels, new: Pixels) -> Pixels:
    """Levels between two pictures of one size and mode."""
    return np.maximum(old, new) - np.minimum(old, new)

"""Marks that a GPU passes while it works: its own seconds between two of them, for which nothing has to wait."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol


class Mark(Protocol):
    """A CUDA event, or what a test sets in its place."""

    def record(self) -> Any:
        """Ask for the mark, behind all that the GPU was asked for before."""

    def elapsed_time(self, end: Any, /) -> float:
        """Milliseconds between two marks that the GPU has passed."""


NewMark = Callable[[], Mark]


def new_mark_of(device: str) -> NewMark | None:
    """What makes marks; a CPU has none: the clock and the processor's seconds say all there is."""
    if device != "cuda":
        return None
    import torch

    return partial(torch.cuda.Event, enable_timing=True)


def set_mark(new_mark: NewMark) -> Mark:
    """A mark at the end of all that the GPU was asked for until now."""
    mark = new_mark()
    mark.record()
    return mark


def seconds_between(start: Mark, end: Mark) -> float:
    """The GPU's seconds between two marks. Ask once it has passed both."""
    return float(start.elapsed_time(end)) / 1000

"""Readers: each finds in a picture the things that its prompt asks for. A subject names the reader of its pictures."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, runtime_checkable

from fluxgate.pictures import Pixels
from fluxgate.refusal import Refusal

GROUP = "fluxgate.readers"  # of entry points, by which an installed package offers a reader of its own
BUILT_IN = {"storybook": "fluxgate.miniature.storybook"}  # name -> module; a file can name no other


class Finding(Protocol):
    """One thing that a prompt asks for."""

    @property
    def asked(self) -> str: ...  # "2 grey foxes"

    @property
    def found(self) -> bool: ...  # whether the picture shows it

    @property
    def sentence(self) -> str: ...  # "asked for 2 grey foxes, and the picture shows 1"


@runtime_checkable
class Reader(Protocol):
    """Finds things in pictures: an object, or a module, with these two functions."""

    def read(self, pixels: Pixels, /) -> Any:
        """What a picture of three channels shows."""

    def compare(self, reading: Any, prompt: str, /) -> Sequence[Finding]:
        """Everything that the prompt asks for, and whether the reading has it; nothing for a prompt it cannot read."""


def reader_names() -> tuple[str, ...]:
    """All readers that there are, those that ship first."""
    return (*BUILT_IN, *sorted(set(_offered()) - set(BUILT_IN)))


@lru_cache
def reader_named(name: str) -> Reader:
    """The reader of this name, loaded when it is first asked for."""
    if name in BUILT_IN:
        reader: object = importlib.import_module(BUILT_IN[name])
    elif name in _offered():
        reader = _loaded(_offered()[name])
    else:
        raise Refusal(f"The reader {name[:120]!r} is unknown; choose from {', '.join(reader_names())}.")
    if not isinstance(reader, Reader):
        raise Refusal(f"The reader {name!r} does not have the functions read and compare.")
    return reader


def _offered() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _loaded(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise Refusal(f"The reader {entry.name!r} cannot be loaded from {entry.value}: {error}.") from error

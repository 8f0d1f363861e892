"""What libraries keep in caches of their functions, as `lru_cache` does on a method, with the object that it is of."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

LIBRARIES = ("diffusers", "transformers")


def empty_library_caches() -> None:
    """Empty them all. What they held then is the libraries', however well a pipeline was freed."""
    for cached in {id(each): each for each in _caches()}.values():
        cached.cache_clear()


def _caches() -> Iterator[Any]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in LIBRARIES and isinstance(module, ModuleType):
            for value in list(vars(module).values()):
                yield from _within(value)
                if isinstance(value, type) and value.__module__ == name:
                    for member in list(vars(value).values()):
                        yield from _within(member)


def _within(value: Any) -> Iterator[Any]:
    """A function with a cache, or the one that it wraps: diffusers puts one of its own around it.

    Nothing else is asked for a closure: some modules of transformers import another one for whatever they are asked."""
    closure = value.__closure__ if isinstance(value, FunctionType) else None
    around = [cell.cell_contents for cell in closure or () if _is_full(cell)]
    for function in (value, *around):
        if callable(getattr(type(function), "cache_clear", None)):
            yield function


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # not filled yet
        return False

"""Files of weights that are opened or written, as safetensors does it for every library."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

READ, WRITTEN = "weight files read", "weight files written"

Add = Callable[..., None]


@contextmanager
def weight_files_counted(add: Add) -> Iterator[None]:
    """Count the files and their bytes; each library has safetensors' functions under names of its own."""
    import safetensors
    import safetensors.torch

    stand_ins = {
        id(safetensors.safe_open): _counting(safetensors.safe_open, READ, add, place=0),
        id(safetensors.torch.serialize_file): _counting(safetensors.torch.serialize_file, WRITTEN, add, place=1),
    }
    replaced = [
        (names, name, value)
        for module in list(sys.modules.values())
        if isinstance(names := getattr(module, "__dict__", None), dict)
        for name in ("safe_open", "serialize_file")
        if id(value := names.get(name)) in stand_ins
    ]
    for names, name, value in replaced:
        names[name] = stand_ins[id(value)]
    try:
        yield
    finally:
        for names, name, value in replaced:
            names[name] = value


def _counting(function: Any, what: str, add: Add, *, place: int) -> Any:
    """The function, which counts the file that it is called with in that place."""

    def counting(*args: Any, **kwargs: Any) -> Any:
        returned = function(*args, **kwargs)
        file = kwargs.get("filename", args[place] if len(args) > place else None)
        if file is not None and os.path.exists(file):
            add("moves", what)
            add("bytes", what, os.path.getsize(file))
        return returned

    return counting

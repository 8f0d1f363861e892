"""Files of weights that are opened or written, as safetensors does it for every library."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
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
        safetensors.safe_open: _counting(safetensors.safe_open, READ, add, place=0),
        safetensors.torch.serialize_file: _counting(safetensors.torch.serialize_file, WRITTEN, add, place=1),
    }
    _replace(stand_ins)
    try:
        yield
    finally:
        _replace({stand_in: function for function, stand_in in stand_ins.items()})


def _replace(others: Mapping[Any, Any]) -> None:
    """Put others in the place of functions in every module, those included that were imported since they were replaced
    and took a stand-in for the function."""
    by_identity = {id(function): other for function, other in others.items()}
    for module in list(sys.modules.values()):
        names: Any = getattr(module, "__dict__", None)
        for name in ("safe_open", "serialize_file") if isinstance(names, dict) else ():
            if id(names.get(name)) in by_identity:
                names[name] = by_identity[id(names[name])]


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

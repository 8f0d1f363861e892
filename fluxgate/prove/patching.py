"""Patching: a fault's change of a library, made in the process that renders, and in no other."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fluxgate.prove.fault import Around, Edit, Fired, Patch
from fluxgate.refusal import Refusal

FUTURE_ANNOTATIONS = 0x1000000  # CO_FUTURE_ANNOTATIONS of a code object: its annotations are not evaluated
CANNOT_BE_MADE = "The fault cannot be made in this release"


def counting(path: Path) -> Fired:
    """What counts in a file, a byte each time: a worker may die at any moment."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def fired(value: Any) -> Any:
        os.write(handle, b".")
        return value

    return fired


def times_fired(path: Path) -> int:
    """How often a fault did something."""
    return path.stat().st_size if path.exists() else 0


def apply(patch: Patch, fired: Fired) -> None:
    """Put the patch of a function in its place; a patch of a pipeline waits until there is one."""
    if isinstance(patch, Edit):
        owner, name = _place(patch.target)
        setattr(owner, name, _edited(owner, name, patch, fired))
    elif isinstance(patch, Around):
        owner, name = _place(patch.target)
        setattr(owner, name, _surrounded(owner, name, patch, fired))


def _place(target: str) -> tuple[Any, str]:
    """The module or class that holds the target, and the target's name there."""
    module, _, within = target.partition(":")
    *path, name = within.split(".")
    try:
        owner: Any = importlib.import_module(module)
        for step in path:
            owner = getattr(owner, step)
        inspect.getattr_static(owner, name)
    except (ImportError, AttributeError) as error:
        raise Refusal(f"{CANNOT_BE_MADE}: there is no {target}.") from error
    return owner, name


def _edited(owner: Any, name: str, edit: Edit, fired: Fired) -> Any:
    """The function compiled anew from its own source, with one place written otherwise."""
    function = inspect.unwrap(_plain(inspect.getattr_static(owner, name)))
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(edit.old) != 1:
        raise Refusal(
            f"{CANNOT_BE_MADE}: {edit.target} has {edit.old!r} {source.count(edit.old)} times, expected once."
        )
    body = textwrap.indent(source.replace(edit.old, _at_the_same_depth(source, edit)), "    ")
    text = f"def make(__class__, FIRED):\n{body}\n    return {function.__name__}\n"
    flags = function.__code__.co_flags & FUTURE_ANNOTATIONS
    within: dict[str, Any] = {}
    exec(compile(text, f"<{edit.target} with a fault>", "exec", flags, dont_inherit=True), function.__globals__, within)
    return within["make"](owner, fired)


def _at_the_same_depth(source: str, edit: Edit) -> str:
    """The new text, its further lines as deep as the line that the old one stands in."""
    line = source[source.rfind("\n", 0, source.index(edit.old)) + 1 :]
    return edit.new.replace("\n", "\n" + line[: len(line) - len(line.lstrip())])


def _surrounded(owner: Any, name: str, around: Around, fired: Fired) -> Any:
    raw = inspect.getattr_static(owner, name)
    inner = _plain(raw)

    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> Any:
        return around.change(inner, fired, args, kwargs)

    return type(raw)(outer) if isinstance(raw, staticmethod | classmethod) else outer


def _plain(raw: Any) -> Callable[..., Any]:
    function: Callable[..., Any] = raw.__func__ if isinstance(raw, staticmethod | classmethod) else raw
    return function

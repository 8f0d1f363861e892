"""Classes in the source of the installed diffusers: found by their names and parsed, never imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_CLASS = re.compile(r"^class (\w+)\(", re.MULTILINE)


def definition_of(name: str, *folders: Path) -> ast.ClassDef | None:
    """The definition of a class in one of the folders; None where there is none."""
    path = _files(folders).get(name)
    return _classes(path)[name] if path else None


def beside(name: str, *folders: Path) -> tuple[ast.ClassDef, ...]:
    """The definitions of all classes in the file of one, its own among them."""
    path = _files(folders).get(name)
    return tuple(_classes(path).values()) if path else ()


def made_of(name: str, *folders: Path) -> Iterator[ast.ClassDef]:
    """The definition of a class, and those of all that it and they name, as far as they are in the folders.

    Several files may have a class of one name: what a class names is in its own file, if that has it."""
    files = _files(folders)
    waiting, seen = [(name, files.get(name))], {name}
    while waiting:
        wanted, path = waiting.pop()
        if path is not None:
            definition = _classes(path)[wanted]
            yield definition
            named = _named(definition) - seen
            waiting += [(each, path if each in _classes(path) else files.get(each)) for each in sorted(named)]
            seen |= named


@cache
def _named(definition: ast.ClassDef) -> frozenset[str]:
    """All that a class names."""
    return frozenset(node.id for node in ast.walk(definition) if isinstance(node, ast.Name))


@cache
def _classes(path: Path) -> dict[str, ast.ClassDef]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name: node for node in body if isinstance(node, ast.ClassDef)}


@cache
def _files(folders: tuple[Path, ...]) -> dict[str, Path]:
    paths = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return {name: path for path in paths for name in _CLASS.findall(path.read_text(encoding="utf-8"))}

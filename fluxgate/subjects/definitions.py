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


def made_of(name: str, *folders: Path) -> Iterator[ast.ClassDef]:
    """The definition of a class, and those of all that it and they name, as far as they are in the folders."""
    waiting, seen = [name], {name}
    while waiting:
        definition = definition_of(waiting.pop(), *folders)
        if definition is not None:
            yield definition
            named = {node.id for node in ast.walk(definition) if isinstance(node, ast.Name)} - seen
            waiting += sorted(named)
            seen |= named


@cache
def _classes(path: Path) -> dict[str, ast.ClassDef]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name: node for node in body if isinstance(node, ast.ClassDef)}


@cache
def _files(folders: tuple[Path, ...]) -> dict[str, Path]:
    paths = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return {name: path for path in paths for name in _CLASS.findall(path.read_text(encoding="utf-8"))}

"""Classes in the source of the installed diffusers: found by their names and parsed, never imported."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

_CLASS = re.compile(r"^class (\w+)\(", re.MULTILINE)


def definition_of(name: str, *folders: Path) -> ast.ClassDef | None:
    """The definition of a class in one of the folders; None where there is none."""
    path = _files(folders).get(name)
    if path is None:
        return None
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return next(node for node in body if isinstance(node, ast.ClassDef) and node.name == name)


@cache
def _files(folders: tuple[Path, ...]) -> dict[str, Path]:
    paths = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return {name: path for path in paths for name in _CLASS.findall(path.read_text(encoding="utf-8"))}

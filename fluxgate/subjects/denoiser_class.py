"""A denoiser's class as the installed diffusers writes it down, read from its source: what it inherits and names."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fluxgate.subjects.pipeline_class import package_folder, pipeline_class
from fluxgate.subjects.sources import readable_index
from fluxgate.subjects.subject import Subject

_CLASS = re.compile(r"^class (\w+)\(", re.MULTILINE)
KINDS = ("transformers", "unets")  # folders of diffusers' models


@dataclass(frozen=True)
class DenoiserClass:
    """What can be known of a denoiser before it is loaded."""

    name: str
    bases: tuple[str, ...]
    attributes: tuple[str, ...]  # that the class itself sets


def denoiser_class(subject: Subject) -> DenoiserClass | None:
    """The class of what denoises the subject's latents; None where it is not known."""
    index, root = readable_index(subject), package_folder()
    name = index.components[subject.denoiser][1] if index and subject.denoiser in index.components else None
    name = name or _annotated(subject)
    return _read(root / "models", name) if name and root else None


def _annotated(subject: Subject) -> str | None:
    installed = pipeline_class(subject.pipeline)
    return next(iter(installed.parts.get(subject.denoiser, ())), None) if installed else None


@cache
def _files(root: Path) -> dict[str, Path]:
    paths = [path for kind in KINDS for path in sorted((root / kind).rglob("*.py"))]
    return {name: path for path in paths for name in _CLASS.findall(path.read_text(encoding="utf-8"))}


@cache
def _read(root: Path, name: str) -> DenoiserClass | None:
    path = _files(root).get(name)
    if path is None:
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    definition = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    attributes = (ast.unparse(node.targets[0]) for node in definition.body if isinstance(node, ast.Assign))
    return DenoiserClass(name, tuple(ast.unparse(base) for base in definition.bases), tuple(attributes))

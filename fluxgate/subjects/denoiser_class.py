"""A denoiser's class as the installed diffusers writes it down, read from its source: what it inherits and names."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fluxgate.subjects.definitions import beside, definition_of
from fluxgate.subjects.pipeline_class import package_folder, pipeline_class
from fluxgate.subjects.sources import readable_index
from fluxgate.subjects.subject import Subject

KINDS = ("transformers", "unets")  # folders of diffusers' models


@dataclass(frozen=True)
class DenoiserClass:
    """What can be known of a denoiser before it is loaded."""

    name: str
    bases: tuple[str, ...]
    attributes: tuple[str, ...]  # that the class itself sets
    calls: Mapping[str, str]  # a method that is called -> a class in the same file that does
    kept_wide: tuple[str, ...] = ()  # parts of paths of layers that the libraries' loaders leave in float32
    kept_from_casts: tuple[str, ...] = ()  # patterns of paths of layers that layerwise casting leaves as they are


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
def _read(root: Path, name: str) -> DenoiserClass | None:
    folders = tuple(root / kind for kind in KINDS)
    definition = definition_of(name, *folders)
    if definition is None:
        return None
    attributes = (ast.unparse(node.targets[0]) for node in definition.body if isinstance(node, ast.Assign))
    calls = {method: each.name for each in beside(name, *folders) for method in _called(each)}
    bases = tuple(ast.unparse(base) for base in definition.bases)
    kept = (_listed(definition, each) for each in ("_keep_in_fp32_modules", "_skip_layerwise_casting_patterns"))
    return DenoiserClass(name, bases, tuple(attributes), calls, *kept)


def _listed(definition: ast.ClassDef, attribute: str) -> tuple[str, ...]:
    """The texts that an attribute of a class lists."""
    values = [node.value for node in definition.body if isinstance(node, ast.Assign) and _names(node, attribute)]
    texts = (node.value for value in values[-1:] for node in ast.walk(value) if isinstance(node, ast.Constant))
    return tuple(text for text in texts if isinstance(text, str))


def _names(node: ast.Assign, attribute: str) -> bool:
    return ast.unparse(node.targets[0]) == attribute


def _called(definition: ast.ClassDef) -> Iterator[str]:
    calls = (node.func for node in ast.walk(definition) if isinstance(node, ast.Call))
    return (each.attr for each in calls if isinstance(each, ast.Attribute))

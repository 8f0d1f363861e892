"""How the classes of a denoiser use its linear layers: what keeps these from being packed, cast or put aside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fluxgate.machine import Machine, Stack
from fluxgate.subjects.definitions import definition_of, made_of
from fluxgate.subjects.denoiser_class import denoiser_class
from fluxgate.subjects.pipeline_class import package_folder
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import denoiser_matrices


@dataclass(frozen=True)
class Use:
    """What a class does with a linear layer of its own, beside calling it with what comes in."""

    reader: str  # the class
    layer: str
    by_name: frozenset[str]  # arguments that it names when it calls the layer
    casts: bool  # whether what comes in is cast to the dtype of the layer's weights


@dataclass(frozen=True)
class Packed:
    """Layers of another class that can stand in for the denoiser's linear ones, with weights packed into bytes."""

    package: str
    layer: str

    def __call__(self, subject: Subject, machine: Machine, stack: Stack) -> str | None:
        reader = _reads_layers(subject)
        if reader:
            return f"{self.package} packs a layer's weights, and {reader} reads them without a call of it"
        reasons = (self._why_not(use) for use in _uses(subject))
        return next((reason for reason in reasons if reason), None)

    def _why_not(self, use: Use) -> str | None:
        if use.casts:
            return f"{_casting(use)}, which {self.package} packs into bytes"
        takes = _arguments(self.package, self.layer)
        unknown = sorted(use.by_name - takes) if takes else []
        if not unknown:
            return None
        return f"{use.reader} calls {use.layer} with {unknown[0]}=, which is no argument of a {self.layer}"


def carried_by_layers(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of sequential offloading: weights that accelerate can make anew on the meta device."""
    name = next(iter(subject.in_gguf), None)
    if name:
        return f"accelerate cannot put the weights of {name} aside, which a GGUF file holds quantized"
    reader = _reads_layers(subject)
    return f"accelerate brings a layer's weights when it is called, and {reader} reads them without" if reader else None


def wide_outside(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of weights that are widened for their layer's own forward alone: nothing else goes by their dtype."""
    use = next((use for use in _uses(subject) if use.casts), None)
    return f"{_casting(use)}, which is float8 until that is called" if use else None


def cast_before_int8(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of optimum-quanto's layers in eight bits, which take nothing but the dtype that they were made from."""
    name = next((part.name for part in _parts(subject) if _spares_int8(part)), None)
    return (
        f"{name} does not cast what comes in where weights are int8, nor do optimum-quanto's layers" if name else None
    )


@cache
def _spares_int8(part: ast.ClassDef) -> bool:
    """It compares a dtype with int8, so as to do something for all others."""
    return any(map(_is_unequal_to_int8, ast.walk(part)))


def _is_unequal_to_int8(node: ast.AST) -> bool:
    if not isinstance(node, ast.Compare) or not any(isinstance(each, ast.NotEq) for each in node.ops):
        return False
    return any(ast.unparse(each) == "torch.int8" for each in node.comparators)


def _casting(use: Use) -> str:
    return f"{use.reader} casts what comes in to the dtype of the weights of {use.layer}"


def _reads_layers(subject: Subject) -> str | None:
    """A class within the denoiser that computes with the weights of layers that it does not call."""
    return next((part.name for part in _parts(subject) if _reads(part)), None)


@cache
def _reads(part: ast.ClassDef) -> bool:
    return any(map(_is_attention_of_torch, ast.walk(part)))


def _is_attention_of_torch(node: ast.AST) -> bool:
    """It takes the matrices of linear layers as arguments, as torch's own module does with one of its layers."""
    return isinstance(node, ast.Attribute) and node.attr in ("multi_head_attention_forward", "MultiheadAttention")


def _uses(subject: Subject) -> Iterator[Use]:
    """How the denoiser's classes use layers that it has; a class may name others that its configuration leaves out."""
    uses = [use for part in _parts(subject) for use in _uses_of(part)]
    there = {name.split(".")[-2] for name in denoiser_matrices(subject) if name.endswith(".weight")} if uses else ()
    yield from (use for use in uses if use.layer in there)


def _parts(subject: Subject) -> tuple[ast.ClassDef, ...]:
    denoiser, root = denoiser_class(subject), package_folder()
    return () if denoiser is None or root is None else _parts_of(denoiser.name, root)


@cache
def _parts_of(denoiser: str, root: Path) -> tuple[ast.ClassDef, ...]:
    """The classes that a denoiser may be made of: a hundred or more, which every strategy asks about."""
    return tuple(made_of(denoiser, root / "models"))


@cache
def _uses_of(part: ast.ClassDef) -> tuple[Use, ...]:
    nodes = list(ast.walk(part))
    linears = {_own(node.targets[0]) for node in nodes if isinstance(node, ast.Assign) and _is_linear(node.value)}
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    found = []
    for name in sorted(linears - {None}, key=str):
        by_name = {each.arg for call in calls if _own(call.func) == name for each in call.keywords if each.arg}
        casts = any(_casts_to(call, f"self.{name}.weight.dtype") for call in calls)
        if by_name or casts:
            found.append(Use(part.name, str(name), frozenset(by_name), casts))
    return tuple(found)


def _own(node: ast.AST) -> str | None:
    """The name in `self.name`."""
    own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return node.attr if own and isinstance(node, ast.Attribute) else None


def _is_linear(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "nn.Linear"


def _casts_to(call: ast.Call, dtype: str) -> bool:
    given = (*call.args, *(each.value for each in call.keywords))
    is_cast = isinstance(call.func, ast.Attribute) and call.func.attr == "to"
    return is_cast and any(ast.unparse(each) == dtype for each in given)


@cache
def _arguments(package: str, layer: str) -> frozenset[str]:
    """What the forward of a layer of an installed package can be given by name, read from its source."""
    root = package_folder(package)
    definition = definition_of(layer, root / "nn", root / "quantizers") if root else None
    methods = (node for node in definition.body if isinstance(node, ast.FunctionDef)) if definition else ()
    return frozenset(each.arg for method in methods if method.name == "forward" for each in method.args.args)

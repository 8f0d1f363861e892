"""How the classes of a denoiser use its linear layers: what keeps these from being packed, cast or put aside."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fluxgate.article import with_article
from fluxgate.machine import Machine, Stack
from fluxgate.strategies.loading import is_spared
from fluxgate.subjects.definitions import definition_of, made_of
from fluxgate.subjects.denoiser_class import DenoiserClass, denoiser_class
from fluxgate.subjects.pipeline_class import package_folder, pipeline_class
from fluxgate.subjects.sources import component_folder, readable_index
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import denoiser_matrices, names_on_disk

_FIRST_WEIGHT = re.compile(r"next\((?:iter\()?self\.(\w+)\.parameters\(\)\)?\)\.dtype")


@dataclass(frozen=True)
class Use:
    """What a class does with a linear layer of its own, beside calling it with what comes in; or with several that are
    in a part of it."""

    reader: str  # the class
    layer: str  # or the part that has the layers
    by_name: frozenset[str]  # arguments that it names when it calls the layer
    casts: bool  # whether something is cast to the dtype of the layer's weights
    is_part: bool = False


@dataclass(frozen=True)
class Packed:
    """Layers of another class that can stand in for the denoiser's linear ones, with weights packed into bytes."""

    package: str
    layer: str

    def __call__(self, subject: Subject, machine: Machine, stack: Stack) -> str | None:
        reader = _reads_layers(subject)
        if reader:
            return f"{self.package} packs a layer's weights, and {reader} reads them without a call of it"
        reasons = (self._why_not(use) for use in _uses(subject, spared=kept_wide))
        return next((reason for reason in reasons if reason), None)

    def _why_not(self, use: Use) -> str | None:
        if use.casts:
            return f"{_casting(use)}, which {self.package} packs into bytes"
        takes = _arguments(self.package, self.layer)
        unknown = sorted(use.by_name - takes) if takes else []
        if not unknown:
            return None
        return f"{use.reader} calls {use.layer} with {unknown[0]}=, which is no argument of {with_article(self.layer)}"


def carried_by_layers(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of sequential offloading: weights that accelerate can make anew on the meta device, each of one component
    and for the call of its layer, and nothing that follows them there."""
    name = next(iter(subject.in_gguf), None)
    if name:
        return f"accelerate cannot put the weights of {name} aside, which a GGUF file holds quantized"
    reader = _reads_layers(subject) or _with_attention_of_torch(subject)
    if reader:
        return f"accelerate brings a layer's weights when it is called, and {reader} reads them without"
    pair = shared(subject)
    if pair:
        return f"{pair[0]} has layers of {pair[1]}, and accelerate puts weights aside for one component alone"
    installed = pipeline_class(subject.pipeline)
    followed = [name for name in installed.follows if name in subject.encoders] if installed else []
    if followed:
        moved = f"{subject.pipeline} moves a prompt to the device that {followed[0]} says it is on"
        return f"{moved}, and that is meta while accelerate has its weights"
    return None


def layers_of_one(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of files: layers that each belong to one component, since one that is in a file is empty meanwhile."""
    pair = shared(subject)
    if pair is None:
        return None
    return f"{pair[0]} has layers of {pair[1]}, and diffusers would write for one what it has emptied for the other"


def wide_outside(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of weights that are widened for their layer's own forward alone: nothing else goes by their dtype."""
    use = next((use for use in _uses(subject, spared=kept_from_casts) if use.casts), None)
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


def _with_attention_of_torch(subject: Subject) -> str | None:
    """Torch's own attention in a component beside what denoises, as the pooling of SigLIP has it, which hands on the
    matrix of a layer of its own: known by the names of its weights."""
    index = readable_index(subject)
    for name in index.components if index else ():
        names = names_on_disk(component_folder(subject, name), subject.variant)
        places = (each.removesuffix("in_proj_weight") for each in names if each.endswith("in_proj_weight"))
        if name != subject.denoiser and any(f"{place}out_proj.weight" in names for place in places):
            return f"torch's attention in {name}"
    return None


def shared(subject: Subject) -> tuple[str, str] | None:
    """A component that the pipeline's constructor lets have parts of another one, and that."""
    installed, root = pipeline_class(subject.pipeline), package_folder()
    for joined in installed.joined if installed else ():
        definition = definition_of(joined.kind, root / "models") if root else None
        methods = (node for node in definition.body if isinstance(node, ast.FunctionDef)) if definition else ()
        for method in methods:
            given = dict(zip((each.arg for each in method.args.args[1:]), joined.names, strict=False))
            for node in ast.walk(method) if method.name == joined.method else ():
                if isinstance(node, ast.Assign) and (pair := _handed_on(node, given)):
                    return pair
    return None


def _handed_on(node: ast.Assign, given: Mapping[str, str]) -> tuple[str, str] | None:
    """The two components of `one.part = other.part`."""
    sides = (node.targets[0], node.value)
    names = [side.value.id for side in sides if isinstance(side, ast.Attribute) and isinstance(side.value, ast.Name)]
    if len(names) < 2 or names[0] == names[1] or not given.keys() >= {*names}:
        return None
    return given[names[0]], given[names[1]]


def _uses(subject: Subject, *, spared: Callable[[str, DenoiserClass], bool]) -> Iterator[Use]:
    """How the denoiser's classes use layers that it has and that are not spared; a class may name others that its
    configuration leaves out."""
    uses = [use for part in _parts(subject) for use in _uses_of(part)]
    denoiser = denoiser_class(subject) if uses else None
    if denoiser is None:
        return
    names = (name.removesuffix(".weight") for name in denoiser_matrices(subject) if name.endswith(".weight"))
    there = [name.split(".") for name in names if not spared(name, denoiser)]
    yield from (use for use in uses if any(use.layer in (way[:-1] if use.is_part else way[-1:]) for way in there))


def kept_wide(layer: str, denoiser: DenoiserClass) -> bool:
    """Whether the denoiser's class keeps a layer in float32, by its path: no loader packs it then."""
    return is_spared(layer, set(denoiser.kept_wide))


def kept_from_casts(layer: str, denoiser: DenoiserClass) -> bool:
    """Whether the denoiser's class keeps a layer from layerwise casting, by its path."""
    return any(re.search(pattern, layer) for pattern in (*denoiser.kept_wide, *denoiser.kept_from_casts))


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
    methods = (node for node in part.body if isinstance(node, ast.FunctionDef))
    followed = {name for method in methods for name in _cast_to_parts(method)}
    return (*found, *(Use(part.name, name, frozenset(), casts=True, is_part=True) for name in sorted(followed)))


def _cast_to_parts(method: ast.FunctionDef) -> Iterator[str]:
    """The parts of a class by the dtype of whose first weight a method casts something, at once or by a name."""
    nodes = list(ast.walk(method))
    named = {
        node.targets[0].id: ast.unparse(node.value)
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for call in nodes:
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "to":
            for given in (*call.args, *(each.value for each in call.keywords)):
                text = ast.unparse(given)
                found = _FIRST_WEIGHT.fullmatch(named.get(text, text))
                yield from [found[1]] if found else []


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

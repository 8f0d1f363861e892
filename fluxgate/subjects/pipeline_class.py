"""A pipeline's class as the installed diffusers writes it down, read from its source: nothing is imported for it."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from fluxgate import configuration
from fluxgate.own_modules import source_of
from fluxgate.subjects.own_sizes import own_size
from fluxgate.subjects.pipeline_call import (
    CALL,
    devices_followed,
    encoders_called,
    for_each_step,
    given_alone,
    given_the_prompt,
    lists_of_tensors,
    needed_lists,
    needed_options,
    needed_pictures,
    returned_fields,
    widened,
    without_default,
)
from fluxgate.subjects.subject import Option

_CLASS = re.compile(r"^class (\w+Pipeline(?!Output)\w*)\(", re.MULTILINE)
_READ = re.compile(r"self\.\w+\.\w+")
_TYPE = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Joined:
    """Components that a constructor gives to a method of a class, in the order of its parameters."""

    kind: str
    method: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class PipelineClass:
    """What can be known of a pipeline before it is loaded."""

    name: str
    components: dict[
        str, tuple[str, ...]
    ]  # that it cannot do without -> classes that its constructor is annotated with
    takes: tuple[str, ...]  # the parameters of its call
    encodes: tuple[str, ...]  # the names of what encode_prompt returns, in order; empty where its source does not say
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)  # as components, and those it can do without
    stays: tuple[str, ...] = ()  # components that offloading of whole components leaves on the device
    decoding: str = ""  # the source of the branches in which its call makes pictures of latents
    reads: tuple[str, ...] = ()  # what its call reads of its components, as "vae.config"
    encoding_takes: tuple[str, ...] = ()  # the parameters of its encode_prompt
    numbers: dict[str, int] = field(default_factory=dict)  # parameters of its call -> defaults that are whole numbers
    call_takes_more: bool = False  # its call has a `**kwargs`
    bases: tuple[str, ...] = ()  # the classes that it names as its own bases
    mentions: frozenset[str] = frozenset()  # attributes of whatever, by name, that its call reads or sets
    must_have: tuple[str, ...] = ()  # the parameters of its call without a default
    pictures: tuple[str, ...] = ()  # parameters of its call that must be given a picture each
    picture_lists: tuple[str, ...] = ()  # those that must be given a list of pictures, as a video
    options: dict[str, Option] = field(default_factory=dict)  # those that must be given a text or a number, with one
    lists: tuple[str, ...] = ()  # parameters of its call that take a list of tensors, one for each prompt
    for_each_step: tuple[str, ...] = ()  # those whose defaults have a value for each of the default's steps
    gives: tuple[str, ...] = ()  # the fields of what its call returns; empty where its source does not name them
    methods: frozenset[str] = frozenset()  # by name, with those that it inherits from other pipelines
    encodings: int = 0  # how often its call has prompts encoded
    prompt_goes_to: dict[str, str] = field(default_factory=dict)  # methods that its call gives the prompt -> the option
    # Where its call gives pictures of a size of its own: the options that keep it from that; else None.
    own_size: tuple[str, ...] | None = None
    follows: tuple[str, ...] = ()  # components to whose own device its call moves tensors
    widened: tuple[str, ...] = ()  # components that its call casts to float32 where their configurations say so
    joined: tuple[Joined, ...] = ()  # components that its constructor gives to one method, which may let them share

    @property
    def embeddings(self) -> tuple[str, ...]:
        """What encode_prompt returns and the call takes."""
        return tuple(name for name in self.encodes if name in self.takes)


def pipeline_class(name: str) -> PipelineClass | None:
    """The class of that name in the installed diffusers, or in the modules that the configuration names; else None."""
    root = _root()
    if root is None:
        return None
    return _read(root, name) or (_read(root, name, own) if (own := _own_files()) else None)


def pipeline_names() -> tuple[str, ...]:
    """Every pipeline of the installed diffusers, and one's own; none where it is not installed."""
    root = _root()
    return () if root is None else tuple(sorted(_files(root, _own_files())))


def _own_files() -> tuple[Path, ...]:
    configured = configuration.current()
    return tuple(source_of(configured, "pipelines", name) for name in configured.pipelines)


def package_folder(package: str = "diffusers") -> Path | None:
    """Where the installed diffusers, or another package, is."""
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # a module put into sys.modules by hand
        return None
    return Path(spec.origin).parent if spec and spec.origin else None


def has_class(name: str) -> bool:
    """Whether the installed diffusers offers a class by its name; where it is not installed, nothing can be said."""
    folder = package_folder()
    return folder is None or name in _offered(folder)


@cache
def _offered(folder: Path) -> frozenset[str]:
    """All that its package lists to be imported."""
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return frozenset(text for text in texts if isinstance(text, str))


def _root() -> Path | None:
    """Where it keeps its pipelines."""
    folder = package_folder()
    return folder / "pipelines" if folder else None


@cache
def _files(root: Path, own: tuple[Path, ...] = ()) -> dict[str, Path]:
    """Class -> the file that it stands in; diffusers' own cannot be replaced."""
    texts = ((path, path.read_text(encoding="utf-8")) for path in (*own, *sorted(root.rglob("*.py"))))
    return {name: path for path, text in texts for name in _CLASS.findall(text)}


@cache
def _read(root: Path, name: str, own: tuple[Path, ...] = ()) -> PipelineClass | None:
    files = _files(root, own)
    definition = _definition(files, name)
    if definition is None:
        return None
    methods = {function.name: function for function in _functions(files, definition)}
    optional = _names_in(files, definition, "_optional_components")
    call = methods.get(CALL)
    return PipelineClass(
        name,
        components={
            parameter: classes for parameter, classes in _required(methods.get("__init__")) if parameter not in optional
        },
        takes=_parameters(call),
        encodes=_returned(methods.get("encode_prompt")),
        parts=dict(_annotated(methods.get("__init__"))),
        stays=_names_in(files, definition, "_exclude_from_cpu_offload"),
        decoding=_source_of_decoding(call),
        reads=_read_of_components(methods.get(CALL)),
        encoding_takes=_parameters(methods.get("encode_prompt")),
        numbers=_own_sizes(methods.get("__init__")) | _whole_defaults(call),
        methods=frozenset(methods),
        bases=tuple(ast.unparse(base) for base in definition.bases),
        follows=devices_followed(methods),
        widened=widened(methods),
        joined=tuple(_joined(methods.get("__init__"))),
        **(_of_call(call, methods) if call else {}),
    )


def _of_call(call: ast.FunctionDef, methods: Mapping[str, ast.FunctionDef]) -> dict[str, Any]:
    """What there is to know only where the class, or one of its bases, can be called."""
    pictures, alone = needed_pictures(call), given_alone(methods)
    return {
        "call_takes_more": call.args.kwarg is not None,
        "mentions": frozenset(node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)),
        "must_have": without_default(call),
        "pictures": pictures,
        "picture_lists": tuple(
            name for name in needed_lists(call) if alone.isdisjoint(frozenset((name, one)) for one in pictures)
        ),
        "options": needed_options(call),
        "lists": lists_of_tensors(call),
        "for_each_step": for_each_step(call, _whole_defaults(call).get("num_inference_steps")),
        "gives": returned_fields(call),
        "encodings": encoders_called(call),
        "prompt_goes_to": given_the_prompt(call),
        "own_size": own_size(call),
    }


def _definition(files: Mapping[str, Path], name: str) -> ast.ClassDef | None:
    path = files.get(name)
    if path is None:
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)


def _functions(files: Mapping[str, Path], definition: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    """The methods of a class, behind those that it inherits from other pipelines."""
    for base in _bases(files, definition):
        yield from _functions(files, base)
    yield from (node for node in definition.body if isinstance(node, ast.FunctionDef))


def _bases(files: Mapping[str, Path], definition: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """The pipelines that a class inherits from."""
    for base in definition.bases:
        name = getattr(base, "id", getattr(base, "attr", ""))  # as Base, or as diffusers.Base
        inherited = _definition(files, name) if name != definition.name else None
        if inherited is not None:
            yield inherited


def _names_in(files: Mapping[str, Path], definition: ast.ClassDef, attribute: str) -> tuple[str, ...]:
    """The names that an attribute of the class lists, its own or an inherited one."""
    for node in definition.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == attribute:
            return tuple(ast.literal_eval(node.value))
    inherited = (_names_in(files, base, attribute) for base in _bases(files, definition))
    return next((names for names in inherited if names), ())


def _parameters(function: ast.FunctionDef | None) -> tuple[str, ...]:
    if function is None:
        return ()
    return tuple(argument.arg for argument in (*function.args.args[1:], *function.args.kwonlyargs))


def _whole_defaults(function: ast.FunctionDef | None) -> dict[str, int]:
    if function is None:
        return {}
    arguments = function.args.args[len(function.args.args) - len(function.args.defaults) :]
    pairs = ((each.arg, value) for each, value in zip(arguments, function.args.defaults, strict=True))
    return {name: node.value for name, node in pairs if isinstance(node, ast.Constant) and type(node.value) is int}


def _own_sizes(function: ast.FunctionDef | None) -> dict[str, int]:
    """Height and width that the constructor keeps for calls without any."""
    sizes: dict[str, int] = {}
    for node in ast.walk(function) if function else ():
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and type(node.value.value) is int:
            name = ast.unparse(node.targets[0]).removeprefix("self.default_")
            sizes |= {name: node.value.value} if name in ("height", "width") else {}
    return sizes


def _required(function: ast.FunctionDef | None) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Parameters without a default, each with the classes of its annotation."""
    if function is None:
        return
    required = len(function.args.args) - len(function.args.defaults) - 1
    yield from itertools.islice(_annotated(function), required)


def _annotated(function: ast.FunctionDef | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every parameter with the classes of its annotation."""
    for argument in function.args.args[1:] if function else ():
        annotation = ast.unparse(argument.annotation) if argument.annotation else ""
        yield argument.arg, tuple(_TYPE.findall(annotation))


def _joined(function: ast.FunctionDef | None) -> Iterator[Joined]:
    parameters = _parameters(function)
    for node in ast.walk(function) if function else ():
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            names = tuple(each.id for each in node.args if isinstance(each, ast.Name) and each.id in parameters)
            if len(names) > 1 and len(names) == len(node.args):
                yield Joined(node.func.value.id, node.func.attr, names)


def _source_of_decoding(call: ast.FunctionDef | None) -> str:
    """The branches that a pipeline does not take when it is asked for latents, and which pictures are shown."""
    forks = [node for node in call.body if isinstance(node, ast.If)] if call else []
    shown = [each for each in map(ast.unparse, call.body if call else []) if each.startswith("do_denormalize = ")]
    return "\n".join([*(ast.unparse(statement) for fork in forks for statement in _pictures(fork)), *shown])


def _read_of_components(call: ast.FunctionDef | None) -> tuple[str, ...]:
    texts = (ast.unparse(node) for node in ast.walk(call) if isinstance(node, ast.Attribute)) if call else ()
    return tuple(dict.fromkeys(text.removeprefix("self.") for text in texts if _READ.fullmatch(text)))


def calls_in(source: str) -> dict[str, str]:
    """The functions that some source calls, each with its last call as it is written."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return {ast.unparse(node.func): ast.unparse(node) for node in calls}


def _pictures(branching: ast.If) -> list[ast.stmt]:
    """The branch for pictures, if this is where latents and pictures part."""
    test = ast.unparse(branching.test)
    if "'latent'" not in test:
        return []
    return branching.body if test.startswith("not ") or "!=" in test else branching.orelse


def _returned(function: ast.FunctionDef | None) -> tuple[str, ...]:
    """The names of a function's results, if its last line returns names and nothing else."""
    last = function.body[-1] if function else None
    if not isinstance(last, ast.Return):
        return ()
    values = last.value.elts if isinstance(last.value, ast.Tuple) else [last.value]
    names = tuple(value.id for value in values if isinstance(value, ast.Name))
    return names if len(names) == len(values) else ()

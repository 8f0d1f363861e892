"""The call of a pipeline as its source is written: what it cannot do without, and what it gives back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from fluxgate.subjects.subject import Option

CALL = "__call__"
PROMPT = "prompt"
MASKS = ("mask_image", "control_mask")
# What is a picture, and a list of them, where a call has a default for it and cannot do without it all the same.
PICTURES = ("image", "control_image", "original_image", *MASKS)
LISTS = ("video", "conditioning_frames")
_PICTURE_TYPES = ("PipelineImageInput", "PIL.Image", "Image.Image")
_LIST = re.compile(r"[Ll]ist\[.*\]")
# What a shot can give as an option.
_OPTIONS: dict[str, Option] = {
    "str": "a fox",
    "list[str]": ("a fox",),
    "int": 1,
    "list[int]": (1,),
    "float": 1.0,
    "list[float]": (1.0,),
    "bool": True,
    "": "a fox",  # its type is not said
}
_OWN_DEVICE = re.compile(r"self\.(\w+)\.device")
_UPCAST = re.compile(r"self\.(\w+)\.config\.force_upcast")
_TENSORS = re.compile(r"(Optional\[)?[Ll]ist\[torch\.(Float)?Tensor")


def without_default(call: ast.FunctionDef) -> tuple[str, ...]:
    """The parameters that must be given."""
    named = call.args.args[1 : len(call.args.args) - len(call.args.defaults)]
    pairs = zip(call.args.kwonlyargs, call.args.kw_defaults, strict=True)
    return (*(each.arg for each in named), *(each.arg for each, default in pairs if default is None))


def needed_pictures(call: ast.FunctionDef) -> tuple[str, ...]:
    """The pictures that it must be given: it never asks whether they are there, other than to complain, or has taken
    them for granted before."""
    asked, must, listed = (
        set(_asked_for(call)) - set(_taken_for_granted(call)),
        without_default(call),
        needed_lists(call),
    )
    typed = [each.arg for each in _all_parameters(call) if _takes_pictures(each)]
    needed = (name for name in typed if name in must or (name in PICTURES and name not in asked))
    return tuple(name for name in needed if name not in listed)


def needed_lists(call: ast.FunctionDef) -> tuple[str, ...]:
    """The lists of pictures, as the frames of a video, that it must be given, by the same sign."""
    asked, must = set(_asked_for(call)), without_default(call)
    listed = {each.arg: each for each in _all_parameters(call) if _LIST.fullmatch(_alternatives(each)[0])}
    usual = (name for name in listed if name in LISTS and (name in must or name not in asked))
    typed = (name for name in must if name in listed and _takes_pictures(listed[name]))
    return tuple(dict.fromkeys((*usual, *typed)))


def given_alone(methods: Mapping[str, ast.FunctionDef]) -> set[frozenset[str]]:
    """The pairs of arguments that the call, or a method that it calls, complains of if both are there."""
    forks = (node for method in _within_call(methods) for node in ast.walk(method) if isinstance(node, ast.If))
    both = (_both_there(fork.test) for fork in forks if _complains(fork))
    return {names for names in both if len(names) == 2}


def _both_there(test: ast.expr) -> frozenset[str]:
    """The names of `one is not None and other is not None`."""
    parts = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else []
    there = [each for each in parts if isinstance(each, ast.Compare) and isinstance(each.ops[0], ast.IsNot)]
    names = [each.left.id for each in there if isinstance(each.left, ast.Name) and _is_none(each.comparators[0])]
    return frozenset(names) if len(names) == len(parts) else frozenset()


def needed_options(call: ast.FunctionDef) -> dict[str, Option]:
    """The texts and numbers that it must be given, each with something of its kind."""
    must = without_default(call)
    kinds = {each.arg: _alternatives(each) for each in _all_parameters(call) if each.arg in must}
    found = {name: [kind for kind in given if kind in _OPTIONS] for name, given in kinds.items()}
    return {name: _OPTIONS[given[0]] for name, given in found.items() if given}


def for_each_step(call: ast.FunctionDef, steps: int | None) -> tuple[str, ...]:
    """The parameters whose defaults list a value for each of the default's steps, so that no other number will do."""
    named = zip(reversed(call.args.args), reversed(call.args.defaults), strict=False)
    pairs = [*named, *zip(call.args.kwonlyargs, call.args.kw_defaults, strict=True)]
    lengths = {each.arg: _length(default) for each, default in pairs if default is not None}
    return tuple(name for name, length in lengths.items() if steps and length == steps)


def _length(node: ast.expr) -> int | None:
    """How many values a list has that is written out, multiplied or joined; None for all else."""
    if isinstance(node, ast.Tuple | ast.List):
        return len(node.elts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        one, other = _length(node.left), _length(node.right)
        return None if one is None or other is None else one + other
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.right, ast.Constant):
        one, times = _length(node.left), node.right.value
        return one * times if one is not None and type(times) is int else None
    return None


def lists_of_tensors(call: ast.FunctionDef) -> tuple[str, ...]:
    """The parameters that take a tensor for each prompt instead of one for all."""
    return tuple(each.arg for each in call.args.args if _TENSORS.match(_annotation(each)))


def _all_parameters(call: ast.FunctionDef) -> list[ast.arg]:
    return [*call.args.args, *call.args.kwonlyargs]


def _takes_pictures(argument: ast.arg) -> bool:
    return any(kind in _annotation(argument) for kind in _PICTURE_TYPES)


def _alternatives(argument: ast.arg) -> list[str]:
    """The types that an argument may be of, as `int | list[int]` names two."""
    kinds, node = [], argument.annotation
    while isinstance(node, ast.BinOp):
        kinds.append(ast.unparse(node.right))
        node = node.left
    return [ast.unparse(node) if node else "", *reversed(kinds)]


def _annotation(argument: ast.arg) -> str:
    return ast.unparse(argument.annotation) if argument.annotation else ""


def _asked_for(call: ast.FunctionDef) -> Iterator[str]:
    """The names that the call does something else without: those that it compares with None, or takes for true."""
    for node in ast.walk(call):
        if isinstance(node, ast.If | ast.IfExp) and not _complains(node):
            for part in ast.walk(node.test):
                if isinstance(part, ast.Compare) and isinstance(part.left, ast.Name):
                    yield from [part.left.id] if any(map(_is_none, part.comparators)) else []
            yield from [node.test.id] if isinstance(node.test, ast.Name) else []


def _taken_for_granted(call: ast.FunctionDef) -> Iterator[str]:
    """The names of which it takes a part, as `image.size`, in a statement that it always comes to and that does not
    ask for them."""
    for statement in call.body:
        if isinstance(statement, ast.Assign):
            nodes = list(ast.walk(statement.value))
            tests = (part for node in nodes if isinstance(node, ast.IfExp) for part in ast.walk(node.test))
            asked = {
                part.left.id for part in tests if isinstance(part, ast.Compare) and isinstance(part.left, ast.Name)
            }
            parts = (node.value for node in nodes if isinstance(node, ast.Attribute | ast.Subscript))
            yield from (part.id for part in parts if isinstance(part, ast.Name) and part.id not in asked)


def _complains(node: ast.If | ast.IfExp) -> bool:
    return isinstance(node, ast.If) and all(isinstance(statement, ast.Raise) for statement in node.body)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def returned_fields(call: ast.FunctionDef) -> tuple[str, ...]:
    """The fields of what it returns, where its source names them."""
    made = (node.value for node in ast.walk(call) if isinstance(node, ast.Return))
    return tuple(dict.fromkeys(k.arg for one in made if isinstance(one, ast.Call) for k in one.keywords if k.arg))


def given_the_prompt(call: ast.FunctionDef) -> dict[str, str]:
    """The methods beside encode_prompt that the call gives the prompt, each with the option that it is only called
    with; none where it is called in any case."""
    defaults = zip(reversed(call.args.args), reversed(call.args.defaults), strict=False)
    off = {each.arg for each, default in defaults if isinstance(default, ast.Constant) and not default.value}
    return {name: next((one for one in asked if one in off), "") for name, asked in _calls_with_the_prompt(call, [])}


def _calls_with_the_prompt(node: ast.AST, asked: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The methods, each with the names that are asked for before it is called."""
    for part in ast.iter_child_nodes(node):
        names = [*asked, *_asked_before(node, part)]
        if isinstance(part, ast.Call) and ast.unparse(part.func).startswith("self."):
            values = [*part.args, *(keyword.value for keyword in part.keywords)]
            if any(isinstance(value, ast.Name) and value.id == PROMPT for value in values):
                yield ast.unparse(part.func), names
        yield from _calls_with_the_prompt(part, names)


def _asked_before(node: ast.AST, part: ast.AST) -> Iterator[str]:
    """The names that a statement asks for before it comes to a part of it."""
    if isinstance(node, ast.If) and part in node.body:
        yield from (name.id for name in ast.walk(node.test) if isinstance(name, ast.Name))


def devices_followed(methods: Mapping[str, ast.FunctionDef]) -> tuple[str, ...]:
    """The components to whose device, as each says it itself, the call or a method that it calls moves tensors."""
    return tuple(dict.fromkeys(name for method in _within_call(methods) for name in _devices_in(method)))


def widened(methods: Mapping[str, ast.FunctionDef]) -> tuple[str, ...]:
    """The components that the call, or a method that it calls, casts to float32 where their configurations say so."""
    forks = (node for method in _within_call(methods) for node in ast.walk(method) if isinstance(node, ast.If))
    found = ((match[1], fork) for fork in forks if (match := _UPCAST.fullmatch(ast.unparse(fork.test))))
    return tuple(
        dict.fromkeys(
            name for name, fork in found if f"self.{name}.to(dtype=torch.float32)" in map(ast.unparse, fork.body)
        )
    )


def _within_call(methods: Mapping[str, ast.FunctionDef]) -> Iterator[ast.FunctionDef]:
    """The call, and the methods that it calls, and those that they do."""
    waiting, seen = [CALL], set[str]()
    while waiting:
        name = waiting.pop()
        if name in methods and name not in seen:
            seen.add(name)
            calls = (node.func for node in ast.walk(methods[name]) if isinstance(node, ast.Call))
            waiting += [function.attr for function in calls if isinstance(function, ast.Attribute)]
            yield methods[name]


def _devices_in(method: ast.FunctionDef) -> Iterator[str]:
    nodes = list(ast.walk(method))
    calls = (node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    moved = (each for call in calls if ast.unparse(call.func).endswith(".to") for each in call.args)
    assigned = (node.value for node in nodes if isinstance(node, ast.Assign))
    for node in (*moved, *assigned):
        device = _OWN_DEVICE.fullmatch(ast.unparse(node))
        yield from [device[1]] if device else []


def encoders_called(call: ast.FunctionDef) -> int:
    """How often it has prompts encoded."""
    return sum(isinstance(node, ast.Call) and ast.unparse(node.func) == "self.encode_prompt" for node in ast.walk(call))

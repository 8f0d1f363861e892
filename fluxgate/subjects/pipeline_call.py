"""The call of a pipeline as its source is written: what it cannot do without, and what it gives back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

MASKS = ("mask_image", "control_mask")
# What a shot can give as a PNG. A video, or a list of pictures, is none.
PICTURES = ("image", "control_image", "original_image", *MASKS)
_PICTURE_TYPES = ("PipelineImageInput", "PIL.Image", "Image.Image")
_TENSORS = re.compile(r"(Optional\[)?[Ll]ist\[torch\.(Float)?Tensor")


def without_default(call: ast.FunctionDef) -> tuple[str, ...]:
    """The parameters that must be given."""
    named = call.args.args[1 : len(call.args.args) - len(call.args.defaults)]
    pairs = zip(call.args.kwonlyargs, call.args.kw_defaults, strict=True)
    return (*(each.arg for each in named), *(each.arg for each, default in pairs if default is None))


def needed_pictures(call: ast.FunctionDef) -> tuple[str, ...]:
    """The pictures that it must be given: it never asks whether they are there, other than to complain."""
    asked, must = set(_asked_for(call)), without_default(call)
    typed = (each.arg for each in call.args.args if any(kind in _annotation(each) for kind in _PICTURE_TYPES))
    return tuple(name for name in typed if name in PICTURES and (name in must or name not in asked))


def lists_of_tensors(call: ast.FunctionDef) -> tuple[str, ...]:
    """The parameters that take a tensor for each prompt instead of one for all."""
    return tuple(each.arg for each in call.args.args if _TENSORS.match(_annotation(each)))


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


def _complains(node: ast.If | ast.IfExp) -> bool:
    return isinstance(node, ast.If) and all(isinstance(statement, ast.Raise) for statement in node.body)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def returned_fields(call: ast.FunctionDef) -> tuple[str, ...]:
    """The fields of what it returns, where its source names them."""
    made = (node.value for node in ast.walk(call) if isinstance(node, ast.Return))
    return tuple(dict.fromkeys(k.arg for one in made if isinstance(one, ast.Call) for k in one.keywords if k.arg))


def encoders_called(call: ast.FunctionDef) -> int:
    """How often it has prompts encoded."""
    return sum(isinstance(node, ast.Call) and ast.unparse(node.func) == "self.encode_prompt" for node in ast.walk(call))

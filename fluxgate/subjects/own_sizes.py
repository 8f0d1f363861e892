"""Calls of pipelines that give pictures of a size of their own, whatever they are asked for, found in their source."""

from __future__ import annotations

import ast
from collections.abc import Iterator

EDGES = frozenset({"height", "width"})
_ASKED_SIZE_AGAIN = "resize_and_crop_tensor"  # what such a call made is brought to the size that was asked for
_DEFAULTS = "default_height_width"  # methods of image processors that leave alone what they are given


def own_size(call: ast.FunctionDef) -> tuple[str, ...] | None:
    """The options of which each, once it is off, keeps the call to the size that it is asked for, if it makes one size
    of another at all; else None."""
    if _ASKED_SIZE_AGAIN in ast.unparse(call):
        return None
    takes = {each.arg for each in (*call.args.args, *call.args.kwonlyargs)} - EDGES
    found = [tests for node, tests in _assignments(call, ()) if _is_choice(node) and not any(map(_is_default, tests))]
    if not found:
        return None
    return tuple(dict.fromkeys(name for test in found[0] for name in _conditions(test) if name in takes))


def _assignments(node: ast.AST, tests: tuple[ast.expr, ...]) -> Iterator[tuple[ast.Assign, tuple[ast.expr, ...]]]:
    """Each with what is asked before it."""
    for part in ast.iter_child_nodes(node):
        inside = (*tests, node.test) if isinstance(node, ast.If) and part in node.body else tests
        if isinstance(part, ast.Assign):
            yield part, inside
        yield from _assignments(part, inside)


def _is_choice(node: ast.Assign) -> bool:
    """Whether it makes both edges of both at once; rounding makes each of itself."""
    edges_of_edges = _names(node.targets[0]) >= EDGES and _names(node.value) >= EDGES
    return edges_of_edges and _DEFAULTS not in ast.unparse(node.value)


def _is_default(test: ast.expr) -> bool:
    """Whether it asks for an edge that was not given."""
    absent = (node.operand for node in ast.walk(test) if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))
    none = (node.left for node in ast.walk(test) if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Is))
    return any(isinstance(each, ast.Name) and each.id in EDGES for each in (*absent, *none))


def _conditions(test: ast.expr) -> Iterator[str]:
    """The names that must all be true for it."""
    values = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
    yield from (value.id for value in values if isinstance(value, ast.Name))


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}

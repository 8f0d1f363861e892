"""Tests of nodes: who renders together, and why another is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from fluxgate.fleet.job import Description
from fluxgate.fleet.nodes import DescribedNode, Node, chosen_kinds, fitting, machine_of, parse_description
from fluxgate.refusal import Refusal
from tests.runs.building import MACHINE, STACK

SAID = Description("0.2.0", "e" * 64, MACHINE, STACK, {"tiny": "p"})


def node(name: str, *, accelerator: str = "H100", slots: int = 1, **said: Any) -> DescribedNode:
    """A node that says this."""
    return DescribedNode(Node(name, name, accelerator, slots), replace(SAID, **said))


def test_nodes_that_are_alike_render_together() -> None:
    """One group for each accelerator."""
    groups, left_out = fitting([node("a"), node("b"), node("c", accelerator="L4")], SAID.engine, ["tiny"])
    assert {name: [each.node.name for each in group] for name, group in groups.items()} == {
        "H100": ["a", "b"],
        "L4": ["c"],
    }
    assert left_out == ()


@pytest.mark.parametrize(
    "said, told",
    [
        ({"stack": {**STACK, "diffusers": "0.41.0"}}, "its diffusers is 0.41.0, and 0.42.1 on"),
        ({"stack": {"torch": "1.0"}}, "its diffusers is not there"),
        ({"machine": replace(MACHINE, driver="501.2")}, "driver"),
        ({"machine": replace(MACHINE, id="other")}, "other"),
        ({"pipelines": {"tiny": "q"}}, "its files of tiny"),
        ({"engine": "f" * 64}, "its Fluxgate"),
        ({"unready": {"tiny": "tiny is not ready: run fluxgate grow."}}, "fluxgate grow"),
    ],
)
def test_a_node_that_differs_is_left_out(said: dict[str, Any], told: str) -> None:
    """Although it comes first: the most nodes decide."""
    groups, (sentence,) = fitting([node("odd", **said), node("a"), node("b")], SAID.engine, ["tiny"])
    assert [each.node.name for each in groups["H100"]] == ["a", "b"]
    assert sentence.startswith("odd is left out: ")
    assert told in sentence


def test_the_number_of_gpus_may_differ() -> None:
    """The session is planned for the most that one node has."""
    group = (node("a", slots=2), node("b", slots=8))
    assert fitting(group, SAID.engine, ["tiny"]) == ({"H100": group}, ())
    assert machine_of(group).count == 8


def test_accelerators_are_chosen() -> None:
    """The only one there is; or all of them, or those named; which must be there."""
    groups = {"H100": (node("a"),), "L4": (node("b", accelerator="L4"),)}
    with pytest.raises(Refusal, match="--each"):
        chosen_kinds(groups, None)
    assert set(chosen_kinds({"L4": groups["L4"]}, None)) == {"L4"}
    assert set(chosen_kinds(groups, [""])) == {"H100", "L4"}
    assert set(chosen_kinds(groups, ["L4"])) == {"L4"}
    assert set(chosen_kinds(groups, ["L4, H100"])) == {"H100", "L4"}
    with pytest.raises(Refusal, match="A100"):
        chosen_kinds(groups, ["L4,A100"])


@pytest.mark.parametrize(
    "said",
    [
        replace(SAID, machine=replace(MACHINE, id="../../outside")),
        replace(SAID, stack={"torch": "rm -rf"}),
        {"version": 1},
        [],
    ],
)
def test_what_a_node_says_is_read_with_suspicion(said: object) -> None:
    """The machine's id names a folder here, and versions are compared."""
    with pytest.raises(Refusal):
        parse_description(msgspec.json.encode(said), node("a").node)


def test_a_sound_description_is_read() -> None:
    """As it was sent."""
    assert parse_description(msgspec.json.encode(SAID), node("a").node) == SAID

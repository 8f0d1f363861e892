"""The nodes of a cluster: what each says of itself, which of them fit together, and which are left out, with why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.version import InvalidVersion, Version

from fluxgate.files import is_name, parse_plain
from fluxgate.fleet.job import Description
from fluxgate.machine import HELD_TOGETHER, Machine, Stack, unlike
from fluxgate.refusal import Refusal


@dataclass(frozen=True)
class Node:
    """One node that has GPUs, or CPUs where it has none."""

    id: str  # the cluster's own
    name: str  # for a reader
    accelerator: str  # "H100", as the cluster calls it; "CPU" where there is no GPU
    slots: int  # GPUs, or 1 for all the CPUs
    cpus: float = 1.0


@dataclass(frozen=True)
class DescribedNode:
    """A node and what it said."""

    node: Node
    said: Description


def parse_description(data: bytes, node: Node) -> Description:
    """What a node said, as a stranger's: the machine's id becomes a part of a path, and versions are compared."""
    said = parse_plain(data, Description, name=f"What {node.name} says of itself")
    if not is_name(said.machine.id):
        raise Refusal(f"{node.name} calls its machine {said.machine.id[:120]!r}, which is no name.")
    for package, version in said.stack.items():
        try:
            Version(version)
        except InvalidVersion as error:
            raise Refusal(f"{node.name} has {package} {version[:60]!r}, which is not a version.") from error
    return said


def fitting(
    nodes: Iterable[DescribedNode], engine: str, subjects: Sequence[str]
) -> tuple[dict[str, tuple[DescribedNode, ...]], tuple[str, ...]]:
    """Accelerator -> the nodes that render together; and a sentence about each node that is left out.

    Most nodes of an accelerator decide what the others are held to."""
    kept: dict[str, list[DescribedNode]] = {}
    said = list[str]()
    for each in nodes:
        reason = _unfit(each.said, engine, subjects)
        if reason is None:
            kept.setdefault(each.node.accelerator, []).append(each)
        else:
            said.append(f"{each.node.name} is left out: {reason}")
    groups = {accelerator: _alike(group) for accelerator, group in sorted(kept.items())}
    said += [sentence for _, sentences in groups.values() for sentence in sentences]
    return {accelerator: alike for accelerator, (alike, _) in groups.items()}, tuple(said)


def _unfit(said: Description, engine: str, subjects: Sequence[str]) -> str | None:
    if said.engine != engine:
        return f"its Fluxgate ({said.version}) is not the one that was called here; install the same on both."
    return next((said.unready[name] for name in subjects if name in said.unready), None)


def _alike(nodes: Sequence[DescribedNode]) -> tuple[tuple[DescribedNode, ...], list[str]]:
    """The largest group of nodes of one machine, stack and pipelines, and what the others differ in."""
    first = _most_common(nodes)
    alike, said = list[DescribedNode](), list[str]()
    for each in nodes:
        differs = _differs(each.said, first.said)
        if differs is None:
            alike.append(each)
        else:
            said.append(f"{each.node.name} is left out: {differs} on {first.node.name}.")
    return tuple(alike), said


def _most_common(nodes: Sequence[DescribedNode]) -> DescribedNode:
    count = Counter(_key(each.said) for each in nodes)
    return max(nodes, key=lambda each: count[_key(each.said)])  # of several, the first


def _key(said: Description) -> str:
    machine = tuple(getattr(said.machine, field) for field in HELD_TOGETHER)
    return repr((machine, sorted(said.stack.items()), sorted(said.pipelines.items())))


def _differs(said: Description, other: Description) -> str | None:
    differs = kind_differs((said.machine, said.stack), (other.machine, other.stack))
    if differs is not None:
        return differs
    names = [name for name in said.pipelines if said.pipelines[name] != other.pipelines.get(name)]
    return f"its files of {names[0]} are not those" if names else None


def kind_differs(one: tuple[Machine, Stack], other: tuple[Machine, Stack]) -> str | None:
    """The first thing that decides pixels, bytes or seconds and is not the same; None if all is."""
    first = next(unlike(one, other), None)
    if first is None:
        return None
    what, mine, theirs = first
    return f"its {what} is {mine or 'not there'}, and {theirs or 'not there'}"


def machine_of(nodes: Sequence[DescribedNode]) -> Machine:
    """The machine that a session on these nodes is planned for: the most GPUs that one of them has."""
    machine = nodes[0].said.machine
    if machine.device != "cuda":
        return machine
    return replace(machine, count=max(each.node.slots for each in nodes))


def chosen_kinds(
    groups: Mapping[str, tuple[DescribedNode, ...]], each: Sequence[str] | None
) -> dict[str, tuple[DescribedNode, ...]]:
    """The accelerators to render on. `each`: None for the only one there is; none named for all; or those named."""
    names = list(groups)
    if each is None and len(names) > 1:
        raise Refusal(f"The cluster has {', '.join(names)}: name some with --each, or give --each alone for all.")
    wanted = [name.strip() for text in each or () for name in text.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in groups]
    if unknown:
        raise Refusal(f"--each {unknown[0]!r} is not in the cluster; it has {', '.join(names)}.")
    return {name: group for name, group in groups.items() if not wanted or name in wanted}

"""Tests of a request on a cluster: what is planned, what a run keeps of it, and how long cases are taken to last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from fluxgate.environment import Environment
from fluxgate.files import write_plain
from fluxgate.fleet.describing import engine_hash
from fluxgate.fleet.job import Description, News
from fluxgate.fleet.nodes import Node
from fluxgate.fleet.on_cluster import FILE, LOST, Kind, Whereabouts, earlier_seconds, keep, plan, render
from fluxgate.fleet.on_cluster import _write_crash as write_crash
from fluxgate.fleet.packing import packed
from fluxgate.refusal import Refusal
from fluxgate.rendering import RENDERING, Crash
from fluxgate.runs import run as runs
from fluxgate.session.choice import Request
from tests.baselines.acceptance import accept
from tests.choices import choice
from tests.runs.building import CASES, MACHINE, STACK, contents, memory, put, rendering, run_of
from tests.wording import unsaid

FULL = CASES["tiny-full"]


class OwnCluster:
    """Nodes that only say what they are."""

    def __init__(self, **said: Description | str) -> None:
        self._said = said

    def nodes(self) -> tuple[Node, ...]:
        return tuple(Node(name, name, name.partition("_")[0], 2) for name in self._said)

    def describe(self, nodes: Sequence[Node], subjects: bytes) -> list[bytes | str]:
        said = (self._said[node.id] for node in nodes)
        return [each if isinstance(each, str) else msgspec.json.encode(each) for each in said]

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nothing is rendered, and {name} was asked for")


def here(**more: Any) -> Description:
    """What a node says that is as this machine."""
    own = Environment.current()
    said = Description("1", engine_hash(), own.machine, own.stack, {"miniature": "p"})
    return replace(said, **more)


def test_each_accelerator_has_its_plan() -> None:
    """With the machine and the stack of its nodes, and the sentence about who is left out."""
    other = {**here().stack, "pillow": "9.0"}
    cluster, lines = OwnCluster(H100_a=here(), H100_b=here(), H100_c=here(stack=other), L4_a=here()), list[str]()
    kinds = plan(cluster, Request(strategies=["full"]), each=[""], say=lines.append)
    assert {kind.accelerator: len(kind.nodes) for kind in kinds} == {"H100": 2, "L4": 1}
    assert kinds[0].choice.stack == here().stack
    (line,) = lines
    assert not unsaid(line, "H100_c", "pillow is 9.0")


def test_libraries_are_imported_while_nodes_are_described() -> None:
    """On each GPU of every node; the runners of those that are left out are closed, and the others are a kind's."""

    class Opening(OwnCluster):
        opened: ClassVar[list[str]] = []
        begun: ClassVar[list[tuple[Any, ...]]] = []
        closed: ClassVar[list[str]] = []

        def open(self, node: Node) -> str:
            self.opened.append(f"{node.id}-{len(self.opened)}")
            return self.opened[-1]

        def ask(self, runner: str, method: str, *arguments: bytes | float) -> None:
            assert method == "begin"
            self.begun.append((runner, *arguments))

        def close(self, runner: str) -> None:
            self.closed.append(runner)

        def describe(self, nodes: Sequence[Node], subjects: bytes) -> list[bytes | str]:
            assert len(self.begun) == 4
            return super().describe(nodes, subjects)

    cluster = Opening(H100_a=here(), H100_b=here(engine="another"))
    (kind,) = plan(cluster, Request(strategies=["full"]), each=None, say=print, begin=True)
    assert kind.runners == {"H100_a": ["H100_a-0", "H100_a-1"]}
    assert cluster.closed == ["H100_b-2", "H100_b-3"]
    assert {pipelines for _, pipelines in cluster.begun} == {b'["FluxPipeline"]'}


@pytest.mark.parametrize("said", ["No module named 'fluxgate'", here(engine="another")])
def test_nobody_who_fits_is_refused(said: Description | str) -> None:
    """A node that could not answer, and one with another Fluxgate."""
    with pytest.raises(Refusal, match="No node"):
        plan(OwnCluster(a=said), Request(strategies=["full"]), each=None, say=print)
    with pytest.raises(Refusal, match="no node"):
        plan(OwnCluster(), Request(strategies=["full"]), each=None, say=print)


def test_a_case_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    """What was damaged leaves nothing in the run, and what was there before stays."""
    run, sender = runs.create(tmp_path / "runs", MACHINE, STACK, "x"), run_of(tmp_path / "node", "full")
    folder = sender.case_folder("tiny-full")
    sound = packed(folder)
    (folder / "fox-0.png").write_bytes((folder / "pair-0.png").read_bytes())
    with pytest.raises(Refusal, match="another hash"):
        keep(run.case_folder(FULL.id), FULL, packed(folder), "a node")
    assert list((run.folder / runs.CASES).iterdir()) == []
    keep(run.case_folder(FULL.id), FULL, sound, "a node")
    assert set(run.renderings()) == {"tiny-full"}
    assert "fox-0.png" in contents(run.case_folder("tiny-full"))


class SendingCluster:
    """Nodes that have each case rendered at once: with so much memory as comes next."""

    def __init__(self, folder: Path, *allocated: int, nodes: Sequence[Node] = (Node("a", "a", "H100", 1),)) -> None:
        self._nodes = tuple(nodes)
        self._folder, self._allocated = folder, iter(allocated)

    def open(self, node: Node) -> str:
        return node.id

    def ask(self, runner: str, method: str, *arguments: bytes | float) -> tuple[str, str]:
        return runner, method

    def ready(self, requests: Sequence[tuple[str, str]], patience: float) -> list[tuple[str, str]]:
        return list(requests)

    def answer(self, request: tuple[str, str]) -> bytes:
        if request[1] == "start":
            return b""
        if request[1] == "news":
            return msgspec.json.encode([News(ended=True)])
        run = run_of(self._folder, "full", allocated=next(self._allocated))
        return packed(run.case_folder("tiny-full"))

    def close(self, runner: str) -> None:
        pass

    def nodes(self) -> tuple[Node, ...]:
        return self._nodes

    def describe(self, nodes: Sequence[Node], subjects: bytes) -> list[bytes | str]:
        raise AssertionError("they were described before")


@pytest.mark.parametrize("allocated, again", [((10**9,), None), ((2 * 10**9, 10**9), 10**9)])
def test_memory_is_confirmed_as_on_one_machine(tmp_path: Path, allocated: tuple[int, ...], again: int | None) -> None:
    """A case whose memory is not the accepted one is rendered once more, beside the first; any other is not."""
    accept(run_of(tmp_path / "before", "full"), tmp_path / "baselines")
    run, cluster = runs.create(tmp_path / "runs", MACHINE, STACK, "x"), SendingCluster(tmp_path / "node", *allocated)
    kind = Kind("H100", cluster.nodes(), choice((FULL,), tmp_path))
    render(cluster, [(kind, run)], say=lambda line: None)
    first = run.rendered_cases()["tiny-full"]
    assert first.rendering.memory == memory(allocated[0])
    more = runs.rendered_once_more(first)
    assert (more.rendering.memory if more else None) == (None if again is None else memory(again))


def test_all_kinds_render_at_once(tmp_path: Path) -> None:
    """Each case on the nodes of its kind, into its run, which tells of its own cases alone."""
    nodes = [Node(name, name, name.upper(), 1) for name in ("h100", "l4")]
    cluster = SendingCluster(tmp_path / "node", 10**9, 10**9, nodes=nodes)
    chosen = choice((FULL,), tmp_path)
    parts = [
        (Kind(node.accelerator, (node,), chosen), runs.create(tmp_path / "runs", MACHINE, STACK, "x")) for node in nodes
    ]
    lines = list[str]()
    outcomes = render(cluster, parts, say=lines.append)
    assert [line for line in lines if ": on " in line] == ["H100/tiny-full: on h100", "L4/tiny-full: on l4"]
    assert [outcome.rendered_on for outcome in outcomes] == [{"tiny-full": "h100"}, {"tiny-full": "l4"}]
    for (kind, run), outcome in zip(parts, outcomes, strict=True):
        assert set(run.renderings()) == {"tiny-full"}
        about = run.read_json(FILE, Whereabouts)
        assert (about.accelerator, about.rendered_on) == (kind.accelerator, outcome.rendered_on)


def test_a_case_that_was_lost_each_time_is_crashed(tmp_path: Path) -> None:
    """Its sentence names the nodes."""
    run = runs.create(tmp_path, MACHINE, STACK, "x")
    write_crash(run, FULL, ("ann", "ben", "cat"))
    crash = run.renderings()["tiny-full"].crash
    assert crash is not None
    assert (crash.kind, "ann, ben, cat" in crash.sentence) == (LOST, True)


def test_earlier_runs_say_how_long_cases_take(tmp_path: Path) -> None:
    """The last one of this machine that rendered a case to its end; another machine says nothing."""
    run_of(tmp_path, "full")
    last = run_of(tmp_path, "full", "nf4")
    slow = replace(rendering("full", last.case_folder("tiny-full")), wall_seconds=7.0)
    put(last, slow)
    put(last, replace(rendering("nf4", last.case_folder("tiny-nf4")), crash=Crash("exit", "it ended", None, ())))
    other = runs.create(tmp_path, replace(MACHINE, id="other"), STACK, "x")
    write_plain(other.case_folder("tiny-full") / RENDERING, replace(slow, wall_seconds=99.0))
    assert earlier_seconds(tmp_path, MACHINE.id, CASES.values()) == {"tiny-full": 7.0}

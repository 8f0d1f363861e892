"""Tests of a request on a cluster: what is planned, what a run keeps of it, and how long cases are taken to last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fluxgate.environment import Environment
from fluxgate.files import write_plain
from fluxgate.fleet.describing import engine_hash
from fluxgate.fleet.job import Description
from fluxgate.fleet.nodes import Node
from fluxgate.fleet.on_cluster import LOST, earlier_seconds, keep, plan
from fluxgate.fleet.on_cluster import _write_crash as write_crash
from fluxgate.fleet.packing import packed
from fluxgate.refusal import Refusal
from fluxgate.rendering import Crash
from fluxgate.runs import run as runs
from fluxgate.session import Request
from tests.runs.building import CASES, MACHINE, STACK, contents, put, rendering, run_of

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
    assert line.startswith("H100_c is left out: its pillow is 9.0")


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
        keep(run, FULL, packed(folder), "a node")
    assert list((run.folder / runs.CASES).iterdir()) == []
    keep(run, FULL, sound, "a node")
    assert set(run.renderings()) == {"tiny-full"}
    assert "fox-0.png" in contents(run.case_folder("tiny-full"))


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
    write_plain(other.case_folder("tiny-full") / runs.RENDERING, replace(slow, wall_seconds=99.0))
    assert earlier_seconds(tmp_path, MACHINE.id, CASES.values()) == {"tiny-full": 7.0}

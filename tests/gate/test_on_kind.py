"""Tests of a gate on one kind of machine: what its nodes send is taken whole and as asked for, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.files import write_plain
from fluxgate.fleet.nodes import Node
from fluxgate.fleet.on_cluster import Kind
from fluxgate.fleet.packing import packed, unpack
from fluxgate.gate.node_job import DEEPEST, STACKS_MADE, GateJob, StacksMade, from_json
from fluxgate.gate.on_kind import GateOnKind
from fluxgate.gate.settings import Settings
from fluxgate.refusal import Refusal
from fluxgate.report.gate_folder import FACTS, read_gate_result, run_of
from fluxgate.report.gate_result import STACKS, Answer, GateResult
from tests.choices import choice
from tests.runs.building import CASES, MACHINE, STACK, contents, rendering
from tests.runs.building import run_of as made_run

FULL, OFFLOAD = CASES["tiny-full"], CASES["tiny-offload"]
MADE = StacksMade({"diffusers": "0.42.1"}, {"diffusers": "0.43.0"})
NODES = (Node("a", "ann", "H100", 1), Node("b", "ben", "H100", 1))
TASKS = {"gate-H100/tiny-full", "gate-H100/tiny-offload"}


@pytest.fixture
def gate(tmp_path: Path) -> GateOnKind:
    """A gate of two cases on two nodes, of which nothing has come yet."""
    chosen = choice((FULL, OFFLOAD), tmp_path)
    folder = tmp_path / "runs" / "gates" / "20260301-tiny"
    folder.mkdir(parents=True)
    job = GateJob(folder.name, str(folder), "2026-03-01T12:30:00+00:00", MACHINE, STACK, (), ("x==2",), Settings())
    cases = {case.id: case for case in chosen.cases}
    return GateOnKind(Kind("H100", NODES, chosen), job, folder, tmp_path / "runs", cases, chosen.cases)


def sent_ahead(folder: Path, case: str = "full", *, made: StacksMade = MADE, of: str | None = None) -> bytes:
    """What a node sends that has rendered a case in both stacks."""
    write_plain(folder / STACKS_MADE, made)
    for stack in STACKS:
        place = folder / f"tiny-{of or case}" / stack / "1"
        place.mkdir(parents=True)
        write_plain(place / "rendering.json", rendering(case, place))
    return packed(folder, deep=DEEPEST)


def sent_gate(folder: Path, **changes: Any) -> bytes:
    """What a node sends that has held the gate."""
    for stack in STACKS:
        made_run(folder / stack, "full", "offload").folder.rename(folder / "run")
        (folder / stack).rmdir()
        (folder / "run").rename(folder / stack)
    result = GateResult(
        id="20260301-tiny",
        answer=Answer.SAFE,
        sentence="It is safe.",
        machine=MACHINE,
        incumbent={},
        candidate={},
        moves=(),
        tier="short",
        command="fluxgate gate x",
        started="2026-03-01T12:30:00+00:00",
        runs={stack: f"../../{stack}" for stack in STACKS},
    )
    write_plain(folder / FACTS, replace(result, **changes))
    return packed(folder, deep=DEEPEST)


def test_cases_are_rendered_before_the_gate_is_held(gate: GateOnKind, tmp_path: Path) -> None:
    """On any node of the kind; once all are there, one node holds the gate and is given what all have rendered."""
    tasks = gate.tasks()
    assert {task.case_id for task in tasks} == TASKS
    assert {task.nodes for task in tasks} == {frozenset("ab")}
    assert gate.keep("gate-H100/tiny-full", sent_ahead(tmp_path / "1"), "ann") == []
    (then,) = gate.keep("gate-H100/tiny-offload", sent_ahead(tmp_path / "2", "offload"), "ben")
    assert (then.case_id, then.nodes) == ("gate-H100", frozenset("ab"))
    job, given = gate.job_of("gate-H100")
    assert from_json(job).ahead == ()
    unpack(given, tmp_path / "given", whence="us", deep=DEEPEST)
    found = {path.rpartition("/")[0] for path in contents(tmp_path / "given")}
    assert found == {f"{case}/{stack}/1" for case in ("tiny-full", "tiny-offload") for stack in STACKS}


def test_on_one_gpu_nothing_is_rendered_ahead(gate: GateOnKind) -> None:
    """There is nobody beside the one that holds the gate."""
    gate.kind = replace(gate.kind, nodes=NODES[:1])
    assert [task.case_id for task in gate.tasks()] == ["gate-H100"]
    assert gate.job_of("gate-H100")[1] == b""


def test_what_was_rendered_ahead_is_told_by_its_case(gate: GateOnKind) -> None:
    """A node is asked for one case, and for no gate."""
    (job,) = gate.job_of("gate-H100/tiny-full")
    assert from_json(job).ahead == ("tiny-full",)


@pytest.mark.parametrize(
    ("send", "told"),
    [
        (lambda folder: sent_ahead(folder, made=StacksMade(MADE.incumbent, {"diffusers": "0.44.0"})), "0.44.0"),
        (lambda folder: sent_ahead(folder, made=StacksMade({"torch": "1.0"}, MADE.candidate)), "the incumbent"),
        (lambda folder: sent_ahead(folder, "nf4", of="offload"), "is not of tiny-offload"),
    ],
)
def test_a_node_that_renders_otherwise_is_refused(
    gate: GateOnKind, tmp_path: Path, send: Callable[[Path], bytes], told: str
) -> None:
    """With other packages than the first node built, or another case: nothing of it is kept."""
    gate.keep("gate-H100/tiny-full", sent_ahead(tmp_path / "1"), "ann")
    before = contents(gate.folder)
    with pytest.raises(Refusal, match=told):
        gate.keep("gate-H100/tiny-offload", send(tmp_path / "2"), "ben")
    assert contents(gate.folder) == before


def test_a_node_that_cannot_make_the_candidate_holds_no_other_to_that(gate: GateOnKind, tmp_path: Path) -> None:
    """What another one has rendered with it is kept, and whoever holds the gate tells why it cannot be made."""
    unmade = tmp_path / "1"
    write_plain(unmade / STACKS_MADE, StacksMade(MADE.incumbent))
    assert gate.keep("gate-H100/tiny-full", packed(unmade, deep=DEEPEST), "ann") == []
    assert gate.job_of("gate-H100")[1] == b""
    (then,) = gate.keep("gate-H100/tiny-offload", sent_ahead(tmp_path / "2", "offload"), "ben")
    assert then.case_id == "gate-H100"
    assert [path.name for path in gate.incoming.iterdir()] == ["tiny-offload"]


def test_a_gate_comes_back_whole(gate: GateOnKind, tmp_path: Path) -> None:
    """Its result names both runs where they lie now; what was rendered ahead is gone."""
    gate.keep("gate-H100/tiny-full", sent_ahead(tmp_path / "1"), "ann")
    assert gate.keep("gate-H100", sent_gate(tmp_path / "2"), "ann") == []
    result = read_gate_result(gate.folder)
    assert result == gate.result
    assert result.answer is Answer.SAFE
    for stack in STACKS:
        run = run_of(result, stack, gate=gate.folder)
        assert run is not None
        assert set(run.renderings()) == {"tiny-full", "tiny-offload"}
        assert run.folder.resolve().is_relative_to(tmp_path / "runs" / "stacks")
    assert [path.name for path in gate.folder.iterdir()] == [FACTS]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id": "another"}, "was asked for"),
        ({"machine": replace(MACHINE, id="../x")}, "no name"),
        ({"runs": {"incumbent": "../../../../etc"}}, "no run of the same folder"),
        ({"runs": {"other": "../../other"}}, "it has a run"),
    ],
)
def test_another_gate_is_refused(gate: GateOnKind, tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    """One that was not asked for, or that would lead out of its folders; nothing stays of it."""
    with pytest.raises(Refusal, match=told):
        gate.keep("gate-H100", sent_gate(tmp_path / "2", **changes), "ann")
    assert gate.result is None
    assert contents(tmp_path / "runs") == {}


def test_a_gate_with_other_pictures_is_refused(gate: GateOnKind, tmp_path: Path) -> None:
    """They are not those that its run says, or are of a case that nobody asked for."""
    sent_gate(tmp_path / "2")
    case = tmp_path / "2" / "candidate" / "cases" / "tiny-full"
    (case / "fox-0.png").write_bytes((case / "pair-0.png").read_bytes())
    with pytest.raises(Refusal, match="another hash"):
        gate.keep("gate-H100", packed(tmp_path / "2", deep=DEEPEST), "ann")
    sent_gate(tmp_path / "3")
    run = tmp_path / "3" / "candidate"
    (run / "cases" / "tiny-full").rename(run / "cases" / "tiny-nobody")
    with pytest.raises(Refusal, match="tiny-nobody"):
        gate.keep("gate-H100", packed(tmp_path / "3", deep=DEEPEST), "ann")
    assert gate.result is None

"""Tests of the result of a gate as plain data: written, found, and read with suspicion."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import (
    CANDIDATE,
    INCUMBENT,
    LATEST,
    Answer,
    CaseOutcome,
    CaseResult,
    CulpritResult,
    EvidenceResult,
    FigureResult,
    GateResult,
    Move,
    Trend,
    create_gate,
    find_gate,
    place_of,
    read_gate_result,
    run_of,
    write_gate_result,
)
from fluxgate.runs import run as runs
from tests.runs.building import MACHINE, STACK

NOW = datetime.datetime(2026, 11, 26, 12, 0, tzinfo=datetime.UTC)
MOVE = Move("transformers", "4.56.2", "4.57.0")


def result(**more: Any) -> GateResult:
    figure = FigureResult(Trend.WORSE, "allocated", "load", 100.0, 150.0, "50 B more")
    case = CaseResult("tiny-full", "tiny", "full", CaseOutcome.CHANGED, "it moved", "prompt embeddings", memory=figure)
    evidence = EvidenceResult("tiny-full", "changed", "prompt embeddings", ("fox",))
    culprit = CulpritResult("single", "It did.", (MOVE,), evidence=(evidence,), pin=("transformers==4.56.2",))
    every: dict[str, Any] = {
        "id": "20261126-120000-cpu",
        "answer": Answer.NOT_SAFE,
        "sentence": "Not safe.",
        "machine": MACHINE,
        "incumbent": STACK,
        "candidate": STACK,
        "moves": (MOVE,),
        "tier": "short",
        "command": "fluxgate gate transformers==4.57.0",
        "started": NOW.isoformat(),
        "cases": (case,),
        "culprit": culprit,
        "seconds": {"rendering": 12.5},
    }
    return GateResult(**{**every, **more})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return create_gate(tmp_path, "cpu", now=NOW)


def test_it_is_read_as_it_was_written(folder: Path) -> None:
    """By its folder and by its file."""
    path = write_gate_result(folder, result())
    assert read_gate_result(path) == read_gate_result(folder) == result()


def test_each_gate_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """Two that start within the same second as well; the latest is found."""
    first, second = (create_gate(tmp_path, "cpu", now=NOW) for _ in range(2))
    later = create_gate(tmp_path, "cpu", now=NOW + datetime.timedelta(seconds=1))
    for each in (first, second, later):
        write_gate_result(each, result(id=each.name))
    assert len({first, second, later}) == 3
    assert find_gate(LATEST, root=tmp_path) == later
    assert find_gate(second.name, root=tmp_path) == find_gate(str(second / "gate.json"), root=tmp_path) == second


def test_the_latest_of_none_is_refused(tmp_path: Path) -> None:
    """And so is a folder that holds no gate."""
    for text in (LATEST, str(tmp_path), "../gates"):
        with pytest.raises(Refusal):
            find_gate(text, root=tmp_path)


def test_its_runs_are_found_from_its_folder(tmp_path: Path, folder: Path) -> None:
    """Wherever the folder of runs was moved to."""
    run = runs.create(tmp_path / "stacks" / "0123", MACHINE, STACK, "fluxgate gate")
    made = result(runs={INCUMBENT: place_of(run, gate=folder)})
    write_gate_result(folder, made)
    moved = folder.parent.parent.rename(tmp_path.with_name("moved"))
    there = moved / "gates" / folder.name
    found = run_of(read_gate_result(there), INCUMBENT, gate=there / "gate.json")
    assert found is not None
    assert found.id == run.id
    assert run_of(made, CANDIDATE, gate=there) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"runs": {INCUMBENT: "../../../../etc"}},
        {"runs": {INCUMBENT: "../../stacks/../../.."}},
        {"runs": {INCUMBENT: "/etc"}},
        {"runs": {INCUMBENT: "../.."}},
        {"runs": {"somebody": "../../stacks/a/b"}},
        {"id": "../up"},
        {"answer": "probably"},
        {"cases": [{"case_id": "../x", "subject": "a", "strategy": "b", "outcome": "changed", "reason": "c"}]},
        {"moves": "none"},
        {"schema": 99},
    ],
    ids=str,
)
def test_damage_is_refused_in_one_sentence(folder: Path, damage: dict[str, Any]) -> None:
    """Names that lead out of the folder, words that no gate says, a newer format."""
    path = write_gate_result(folder, result())
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    with pytest.raises(Refusal) as refused:
        read_gate_result(folder)
    assert "gate.json" in str(refused.value)


def test_the_bad_outcomes_are_three() -> None:
    """What was fixed or gained is no reason against an upgrade."""
    cases = [replace(result().cases[0], outcome=outcome) for outcome in CaseOutcome]
    assert [case.outcome for case in cases if case.is_bad] == ["changed", "broken", "lost"]

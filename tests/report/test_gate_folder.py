"""Tests of the folder of a gate: its result written, found, and read with suspicion."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from fluxgate.refusal import Refusal
from fluxgate.report.gate_folder import create_gate, place_of, read_gate_result, run_of, write_gate_result
from fluxgate.report.gate_result import CANDIDATE, INCUMBENT
from fluxgate.runs import run as runs
from tests.report.gates import STARTED, result
from tests.runs.building import MACHINE, STACK


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return create_gate(tmp_path, "cpu", now=STARTED)


def test_it_is_read_as_it_was_written(folder: Path) -> None:
    """By its folder and by its file."""
    path = write_gate_result(folder, result())
    assert read_gate_result(path) == read_gate_result(folder) == result()


def test_each_gate_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """Two that start within the same second as well."""
    first, second = (create_gate(tmp_path, "cpu", now=STARTED) for _ in range(2))
    later = create_gate(tmp_path, "cpu", now=STARTED + datetime.timedelta(seconds=1))
    assert len({first, second, later}) == 3


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

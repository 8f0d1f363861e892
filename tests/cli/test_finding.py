"""Tests of how a verb finds the run or the gate that it is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.cli.finding import LATEST, find, find_run
from fluxgate.refusal import Refusal
from fluxgate.runs.run import Run
from tests.report import gates
from tests.runs.building import run_of


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run, and in the same folder of runs a gate that was started later."""
    made = run_of(tmp_path, "full")
    gates.gate(tmp_path, id="later").rename(tmp_path / "gates" / "20991231-000000-tiny")
    return made


def test_a_run_is_found_by_its_path_its_file_and_its_id(tmp_path: Path, run: Run) -> None:
    """For the verbs that take gates as well, and for those that do not."""
    for name in (run.folder.name, str(run.folder), str(run.folder / "run.json")):
        assert find(name, runs_folder=tmp_path) == find_run(name, runs_folder=tmp_path).folder == run.folder


def test_a_gate_is_found_alike(tmp_path: Path, run: Run) -> None:
    """Where a verb takes one."""
    gate = tmp_path / "gates" / "20991231-000000-tiny"
    for name in (gate.name, str(gate), str(gate / "gate.json")):
        assert find(name, runs_folder=tmp_path) == gate
    with pytest.raises(Refusal):
        find_run(gate.name, runs_folder=tmp_path)


def test_the_latest_is_what_was_started_last(tmp_path: Path, run: Run) -> None:
    """A gate too, but for the verbs that are about runs."""
    assert find(LATEST, runs_folder=tmp_path).name == "20991231-000000-tiny"
    assert find_run(LATEST, runs_folder=tmp_path).folder == run.folder


def test_the_latest_of_none_is_refused(tmp_path: Path) -> None:
    """In a sentence that says where was looked."""
    for look in (find, find_run):
        with pytest.raises(Refusal, match=str(tmp_path)):
            look(LATEST, runs_folder=tmp_path)

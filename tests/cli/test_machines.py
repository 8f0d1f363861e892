"""Tests of `machines`: runs and gates of several machines in one table, and its exit codes."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.cli.shared import RED
from fluxgate.judge.verdict import FAILED, PASSED, TWICE, Verdict
from fluxgate.refusal import USAGE
from fluxgate.report.gate_folder import create_gate, write_gate_result
from fluxgate.runs import run as runs
from tests.report.gates import result
from tests.runs.building import MACHINE, STACK
from tests.wording import unsaid


def judged(root: Path, name: str, status: str) -> str:
    """A finished run of a machine, with one verdict."""
    run = runs.create(root, replace(MACHINE, id=name.lower(), name=name), STACK, "x")
    run.write_json(runs.VERDICTS, (Verdict("tiny", "full", TWICE, status, "It is so."),))
    return str(runs.finish(run).folder)


def test_runs_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Green where all are, red where one is not."""
    good, also, bad = judged(tmp_path, "H100", PASSED), judged(tmp_path, "A100", PASSED), judged(tmp_path, "L4", FAILED)
    assert main(["machines", good, also]) == 0
    assert "No failures on H100 and A100." in capsys.readouterr().out
    assert main(["machines", good, bad, f"--output={tmp_path / 'table.md'}"]) == RED
    text = (tmp_path / "table.md").read_text()
    assert not unsaid(text, "No failures on H100", "failures in 1 case on L4")


def test_one_machine_is_not_put_beside_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that is named twice, by its folder and by its id, is refused."""
    good = judged(tmp_path, "H100", PASSED)
    assert main(["machines", good, Path(good).name, f"--runs={tmp_path}"]) == USAGE
    assert "is named 2 times" in capsys.readouterr().err


def test_gates_and_runs_are_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Gates by themselves are shown; and what has not been judged is refused."""
    gate = create_gate(tmp_path, "cpu", now=datetime.datetime.now(datetime.UTC))
    write_gate_result(gate, result())
    assert main(["machines", str(gate)]) == RED
    assert main(["machines", str(gate), judged(tmp_path, "L4", PASSED)]) == USAGE
    unjudged = runs.create(tmp_path, MACHINE, STACK, "x").folder
    assert main(["machines", str(unjudged)]) == USAGE
    assert "fluxgate judge" in capsys.readouterr().err

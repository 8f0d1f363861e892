"""Tests of the report on a gate: one verdict a case, both stacks' figures, and the pictures that moved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.judge.verdict import FAILED, INCUMBENT, NO_DATA, PASSED, UNSUPPORTED
from fluxgate.report.gate_folder import read_gate_result, write_gate_result
from fluxgate.report.gate_report import STATUS, report_on_gate
from fluxgate.report.gate_result import CaseOutcome
from fluxgate.report.report import Report
from fluxgate.runs.run import open_run
from tests.report import gates
from tests.runs.building import put, rendering
from tests.wording import unsaid


def report(folder: Path) -> Report:
    return report_on_gate(read_gate_result(folder), folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return gates.gate(tmp_path)


def test_each_case_has_one_verdict(folder: Path) -> None:
    """What is not safe fails; it says what became of it, why, and where first."""
    found = report(folder)
    assert {one.strategy: (one.check, one.status) for one in found.verdicts} == {
        "full": (INCUMBENT, PASSED),
        "offload": (INCUMBENT, FAILED),
        "nf4": (INCUMBENT, PASSED),
        "broken": (INCUMBENT, FAILED),
    }
    offload = found.failures[0]
    assert not unsaid(offload.sentence, "changed", "5 of 5 pictures moved", "prompt embeddings")
    assert (offload.stage, offload.numbers) == ("prompt embeddings", {"ssim": 0.01, "maximum difference": 251.0})
    assert (found.gated.cases.gated, found.gated.cases.total) == (4, 4)


def test_every_outcome_has_a_status() -> None:
    """What says nothing is neither passed nor failed."""
    assert set(STATUS) == set(CaseOutcome)
    assert (STATUS[CaseOutcome.UNSTEADY], STATUS[CaseOutcome.CANNOT_RUN]) == (NO_DATA, UNSUPPORTED)
    assert {outcome for outcome, status in STATUS.items() if status == FAILED} == {
        outcome for outcome in CaseOutcome if outcome in ("changed", "broken", "lost")
    }


def test_the_pictures_that_moved_are_found_from_the_gates_folder(folder: Path) -> None:
    """In both stacks."""
    pictures = {one.strategy: one.pictures for one in report(folder).verdicts}
    assert {name for name, those in pictures.items() if those} == {"offload"}
    expected, actual = ((folder / pictures["offload"][side]).resolve() for side in ("expected", "actual"))
    assert expected.read_bytes() != actual.read_bytes()
    assert (expected.parents[3].name, actual.parents[3].name) == ("before", "after")


def test_both_stacks_have_their_figures(folder: Path) -> None:
    """The candidate's are the report's own."""
    result = read_gate_result(folder)
    before = folder / result.runs["incumbent"]
    put(
        open_run(before),
        rendering("offload", before / "cases/tiny-offload", seed=0, allocated=5 * 10**8),
    )
    found = report(folder)
    assert found.gate is not None
    peaks = [
        {row.strategy: row.peaks["whole"] for row in rows}["offload"] for rows in (found.gate.incumbent, found.cases)
    ]
    assert peaks == [5 * 10**8, 10**9]


def test_the_stack_has_the_libraries_that_are_tested(folder: Path) -> None:
    """Under the names that runs have for them, whatever an installer calls them."""
    result = read_gate_result(folder)
    candidate = {**result.candidate, "huggingface-hub": "0.36.0", "six": "1.16"}
    write_gate_result(folder, replace(result, candidate=candidate))
    assert report(folder).stack == {
        "diffusers": "0.36.0",
        "transformers": "4.50.0",
        "accelerate": "1.10.1",
        "huggingface_hub": "0.36.0",
        "tokenizers": "0.21.4",
    }


@pytest.mark.parametrize(("seconds", "took"), [({"rendering": 90.0, "culprit": 30.0}, 120), ({}, None)])
def test_it_tells_how_long_the_gate_took(seconds: dict[str, float], took: float | None, tmp_path: Path) -> None:
    """As long as all that it did, where that was noted."""
    run = report(gates.gate(tmp_path, seconds=seconds)).run
    assert run is not None
    assert run.seconds == took


def test_a_gate_that_rendered_nothing_has_a_report(tmp_path: Path) -> None:
    """Its candidate could not be made: no case, no verdict."""
    found = report(gates.gate(tmp_path, cases=(), runs={}, failed_stage="resolve"))
    assert (found.verdicts, found.cases, found.measured) == ((), (), False)

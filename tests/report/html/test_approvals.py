"""Tests of approvals: what is read is what a page writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fluxgate.pictures import write_png
from fluxgate.refusal import Refusal
from fluxgate.report.html.approvals import Approvals, Decision, Seen, approved_cases, read_approvals
from fluxgate.runs.run import Run
from tests.report.html.made import looked_at, written
from tests.runs import building

ONE: dict[str, Any] = {
    "case": "tiny-nf4",
    "decision": "approved",
    "note": "as meant",
    "pictures": [{"shot": "fox", "index": 0, "sha256": "a" * 64}],
}


def test_decisions_are_read(tmp_path: Path) -> None:
    """With the pictures that were looked at."""
    found = read_approvals(written(tmp_path / "approvals.json", ONE))
    decision = Decision("tiny-nf4", "approved", "as meant", (Seen("fox", 0, "a" * 64),))
    assert found == Approvals("20260301", "2026-03-01T13:05:00.000Z", (decision,))


@pytest.mark.parametrize(
    "decisions, schema",
    [
        ([ONE], 2),
        ([{**ONE, "decision": "perhaps"}], 1),
        ([{**ONE, "pictures": "all"}], 1),
        ([ONE, {**ONE, "decision": "rejected"}], 1),
    ],
)
def test_what_is_no_approval_is_refused(tmp_path: Path, decisions: list[dict[str, Any]], schema: int) -> None:
    """A newer format, another word, and two decisions about one case."""
    with pytest.raises(Refusal):
        read_approvals(written(tmp_path / "approvals.json", *decisions, schema=schema))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return building.run_of(tmp_path / "runs", "full", "nf4")


def test_approved_cases_are_those_that_were_approved(run: Run, tmp_path: Path) -> None:
    """With their notes on one line; what was rejected or not decided about is not among them."""
    file = written(tmp_path / "approvals.json", looked_at(run, "tiny-nf4", note="as\n\x1b[31mmeant "), of=run.id)
    assert approved_cases(file, run) == {"tiny-nf4": "as �[31mmeant"}


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_a_decision_about_other_pictures_is_refused(decision: str, run: Run, tmp_path: Path) -> None:
    """Another hash, a picture too few, one named twice, and none: nothing is approved unseen."""
    whole = looked_at(run, "tiny-nf4", decision)
    first, *others = whole["pictures"]
    changed = [{**first, "sha256": "a" * 64}, *others]
    for pictures in (changed, others, [*whole["pictures"], first], *([[]] if decision == "approved" else [])):
        file = written(
            tmp_path / "approvals.json", {**whole, "pictures": pictures}, looked_at(run, "tiny-full"), of=run.id
        )
        with pytest.raises(Refusal, match="other pictures of tiny-nf4"):
            approved_cases(file, run)


def test_a_picture_that_was_changed_since_is_refused(run: Run, tmp_path: Path) -> None:
    """Its bytes count, not what rendering.json says of them."""
    file = written(tmp_path / "approvals.json", looked_at(run, "tiny-full"), of=run.id)
    write_png(run.case_folder("tiny-full") / "pair-1.png", building.pixels(5))
    with pytest.raises(Refusal, match=r"pair-1\.png is not"):
        approved_cases(file, run)


def test_approvals_of_another_run_are_refused(run: Run, tmp_path: Path) -> None:
    """Both runs are named."""
    file = written(tmp_path / "approvals.json", looked_at(run, "tiny-nf4"))
    with pytest.raises(Refusal, match=f"'20260301'.* {run.id}"):
        approved_cases(file, run)


@pytest.mark.parametrize("name", ["tiny-none", "../tiny-full", "tiny-full/../tiny-full"])
def test_a_case_that_the_run_has_not_is_refused(name: str, run: Run, tmp_path: Path) -> None:
    """Nor does a name lead out of the run."""
    file = written(tmp_path / "approvals.json", looked_at(run, "tiny-nf4", case=name), of=run.id)
    with pytest.raises(Refusal, match="has no rendering of"):
        approved_cases(file, run)


def test_approvals_without_an_approval_are_refused(run: Run, tmp_path: Path) -> None:
    """There would be nothing to accept."""
    file = written(tmp_path / "approvals.json", looked_at(run, "tiny-nf4", "rejected"), of=run.id)
    with pytest.raises(Refusal, match="approves nothing"):
        approved_cases(file, run)

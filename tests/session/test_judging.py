"""Every cell of a session has a verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fluxgate.judge.verdict import NO_DATA, NOT_SELECTED, PASSED, UNSUPPORTED, Verdict
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import plan_of
from fluxgate.session.judging import every_verdict, judge_run
from tests.choices import choice
from tests.runs.building import CASES, run_of

FULL = CASES["tiny-full"]


def test_every_cell_has_a_verdict(tmp_path: Path) -> None:
    """What was judged keeps its verdict; what cannot run here and what was left out say so."""
    nf4, offload = replace(CASES["tiny-nf4"], unsupported="no GPU"), CASES["tiny-offload"]
    judged = Verdict("tiny", "full", "renders the same twice", PASSED, "It did.")
    made = choice([FULL, nf4, offload], tmp_path, strategies=("full", "nf4"))
    asked = {case.id for case in made.asked}
    verdicts = every_verdict(made.cases, {(judged.case_id, judged.check): judged}, asked=asked, cut_short=False)
    statuses = {name: {one.status for one in verdicts if one.strategy == name} for name in ("full", "nf4", "offload")}
    assert statuses == {"full": {PASSED, NOT_SELECTED}, "nf4": {UNSUPPORTED}, "offload": {NOT_SELECTED}}


def test_what_a_session_did_not_come_to_is_no_data(tmp_path: Path) -> None:
    """A session that was cut short owes it, and says how to have it."""
    (verdict, *_) = every_verdict([FULL], {}, asked={FULL.id}, cut_short=True)
    assert (verdict.status, "--strategy full" in verdict.sentence) == (NO_DATA, True)


def test_a_run_is_judged_by_what_it_holds(tmp_path: Path) -> None:
    """What was rendered is judged, although its plan says that it could not be; what was asked and did not come to its
    turn is owed; and what nobody asked about says so."""
    run = run_of(tmp_path / "runs", "full", "offload", finished=False)
    planned = [FULL, replace(CASES["tiny-offload"], unsupported="no room"), CASES["tiny-nf4"]]
    for asked, left in ((("tiny-full", "tiny-nf4"), NO_DATA), (("tiny-full",), NOT_SELECTED)):
        run.write_json(PLAN, plan_of(planned, asked=asked))
        verdicts = judge_run(run, baselines=tmp_path / "none")
        statuses = {name: {one.status for one in verdicts if one.strategy == name} for name in ("full", "offload")}
        assert all(PASSED in each and UNSUPPORTED not in each for each in statuses.values())
        assert {one.status for one in verdicts if one.strategy == "nf4"} == {left}

"""Tests of the plan of a run: all that it takes to judge it, and how a run without one is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.refusal import Refusal
from fluxgate.runs.plan import FILE, Plan, PlannedCase, cases_of, plan_of, read_plan
from fluxgate.runs.run import Run
from fluxgate.runs.shards import Shard
from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.record import record_of
from tests.runs.building import CASES, FULL, SUBJECT, put, rendering, run_of


def planned(folder: Path, plan: Plan) -> Run:
    run = run_of(folder, finished=False)
    run.write_json(FILE, plan)
    return run


def test_a_plan_reads_back_as_the_cases_it_was_made_of(tmp_path: Path) -> None:
    """With their shots, promises and reasons, though their strategies may be a stranger's."""
    unsupported = replace(CASES["tiny-nf4"], unsupported="bitsandbytes is not installed")
    cases = (CASES["tiny-full"], CASES["tiny-offload"], unsupported)
    run = planned(tmp_path, plan_of(cases, asked=["tiny-offload", "tiny-nf4"]))
    found = cases_of(run)
    assert [(case.id, case.unsupported, case.device) for case in found] == [
        (case.id, case.unsupported, run.machine.device) for case in cases
    ]
    assert [case.strategy.promise for case in found] == [case.strategy.promise for case in cases]
    assert [case.subject for case in found] == [SUBJECT] * 3


def test_what_was_asked_and_can_run_is_due(tmp_path: Path) -> None:
    """What is rendered for its sake alone was not asked about, and what cannot run is not due."""
    unsupported = replace(CASES["tiny-nf4"], unsupported="bitsandbytes is not installed")
    cases = (CASES["tiny-full"], CASES["tiny-offload"], unsupported)
    plan = read_plan(planned(tmp_path, plan_of(cases, asked=["tiny-offload", "tiny-nf4"])))
    assert plan is not None
    assert plan.asked == frozenset({"tiny-offload", "tiny-nf4"})
    assert plan.due == ("tiny-offload",)


def test_a_part_of_a_session_says_which(tmp_path: Path) -> None:
    """And who asks about the other cases."""
    shards = {"tiny-full": 1, "tiny-nf4": 2}
    plan = replace(plan_of(CASES.values(), asked=["tiny-full"]), shard=Shard(1, 2), shards=shards)
    assert read_plan(planned(tmp_path, plan)) == plan


def test_a_plan_with_a_case_of_no_subject_is_damaged(tmp_path: Path) -> None:
    """It is refused before anything looks the subject up."""
    stray = PlannedCase("another", record_of(FULL), None, True)
    run = planned(tmp_path, Plan((SUBJECT,), (stray,)))
    for read in (read_plan, cases_of):
        with pytest.raises(Refusal, match=r"plan\.json is damaged.* 'another'"):
            read(run)


def test_a_run_without_a_plan_has_the_cases_of_todays_catalogue(tmp_path: Path) -> None:
    """An older Fluxgate made it: of the subjects that it has renderings of, under every strategy."""
    run = run_of(tmp_path, finished=False)
    put(run, replace(rendering("full", run.case_folder("miniature-full")), subject="miniature"))
    assert read_plan(run) is None
    found = cases_of(run)
    assert {case.subject.name for case in found} == {"miniature"}
    assert [case.strategy.name for case in found] == [strategy.name for strategy in STRATEGIES]


def test_a_run_without_a_plan_needs_its_subjects(tmp_path: Path) -> None:
    """The sentence says where to name them."""
    with pytest.raises(Refusal, match=r"renderings of tiny.* FLUXGATE_SUBJECTS"):
        cases_of(run_of(tmp_path, "full"))

"""Runs and pages made by hand for the tests of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fluxgate.cases import Case
from fluxgate.rendering import Crash
from fluxgate.report.html.page import write_page
from fluxgate.report.report import ReportedRun, report_on, verdicts_of
from fluxgate.runs import run as runs
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import cases_of, plan_of
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import VERDICTS, Run
from fluxgate.session import judge_run
from tests.runs import building

BROKEN = building.strategy("broken", reproduces="full")
CASES: Mapping[str, Case] = {**building.CASES, "tiny-broken": Case(building.SUBJECT, BROKEN, "cuda")}
LAST_WORDS = "ValueError: the weights are not there"


def rendered(root: Path, name: str, *, seed: int = 0) -> Rendered:
    """What a case of the tiny subject gave, in the folder that it has within a run."""
    folder = root / "cases" / f"tiny-{name}"
    return Rendered(building.rendering(name, folder, seed=seed), folder)


def judged_run(root: Path) -> Run:
    """A run with a case of each kind: the reference, one that should be like it to the pixel and is not, one that is
    alike, and one that crashed."""
    run = building.run_of(root, "full", "nf4")
    put(run, "offload", seed=7)
    crashed = building.rendering("broken", run.case_folder("tiny-broken"))
    crash = Crash("exception", LAST_WORDS, "load", ("Traceback", LAST_WORDS))
    building.put(run, replace(crashed, pictures=(), fingerprints=(), inventory=None, memory=None, crash=crash))
    return judge(run)


def put(run: Run, name: str, *, seed: int) -> None:
    building.put(run, building.rendering(name, run.case_folder(f"tiny-{name}"), seed=seed))


def judge(run: Run, cases: Mapping[str, Case] = CASES) -> Run:
    """The run with its plan and its verdicts."""
    run.write_json(PLAN, plan_of(cases.values(), asked=set(cases)))
    run.write_json(VERDICTS, judge_run(run, baselines=run.folder.parent / "none"))
    return run


def reported(run: Run, **changes: Any) -> ReportedRun:
    """The run as a report has it, with some of its texts changed."""
    told = ReportedRun(run.id, str(run.folder), run.command, run.commit, run.facts.started, run.finished)
    return replace(told, **changes)


def page(run: Run, file: Path, *, self_contained: bool = False) -> str:
    """The page of a judged run, written into a file."""
    run = runs.open_run(run.folder)
    verdicts, cases = verdicts_of(run), cases_of(run)
    assert verdicts is not None
    write_page(file, report_on(run, verdicts, cases), run, cases, self_contained=self_contained)
    return file.read_text()

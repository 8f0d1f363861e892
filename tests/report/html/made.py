"""Runs and pages made by hand for the tests of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fluxgate.cases import Case
from fluxgate.rendering import Crash
from fluxgate.report.html.page import write_page
from fluxgate.report.report import report_on, verdicts_of
from fluxgate.runs import run as runs
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import cases_of, plan_of
from fluxgate.runs.run import VERDICTS, Run
from fluxgate.session import judge_run
from tests.runs import building

BROKEN = building.strategy("broken", reproduces="full")
CASES: Mapping[str, Case] = {**building.CASES, "tiny-broken": Case(building.SUBJECT, BROKEN, "cuda")}
LAST_WORDS = "ValueError: the weights are not there"


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


def page(run: Run, file: Path, *, self_contained: bool = False) -> str:
    """The page of a judged run, written into a file."""
    run = runs.open_run(run.folder)
    verdicts, cases = verdicts_of(run), cases_of(run)
    assert verdicts is not None
    write_page(file, report_on(run, verdicts, cases), run, cases, self_contained=self_contained)
    return file.read_text()

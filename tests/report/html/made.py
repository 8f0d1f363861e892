"""Runs and pages made by hand for the tests of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fluxgate.cases import Case
from fluxgate.rendering import Crash
from fluxgate.report.gate_folder import read_gate_result, run_of
from fluxgate.report.gate_report import report_on_gate
from fluxgate.report.gate_result import CANDIDATE
from fluxgate.report.html.page import write_page
from fluxgate.report.html.pictures import Whole
from fluxgate.report.html.sides import HeldAgainst, Sides, sides_of_gate, sides_of_run
from fluxgate.report.report import ReportedRun, report_on, verdicts_of
from fluxgate.runs import run as runs
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import cases_of, plan_of
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import VERDICTS, Run
from fluxgate.session.judging import judge_run
from fluxgate.subjects.subject import Shot
from tests.runs import building

BROKEN = building.strategy("broken", reproduces="full")
CASES: Mapping[str, Case] = {**building.CASES, "tiny-broken": Case(building.SUBJECT, BROKEN, "cuda")}
LAST_WORDS = "ValueError: the weights are not there"


def rendered(root: Path, name: str, *, seed: int = 0) -> Rendered:
    """What a case of the tiny subject gave, in the folder that it has within a run."""
    folder = root / "cases" / f"tiny-{name}"
    return Rendered(building.rendering(name, folder, seed=seed), folder)


def sides(rendered: Mapping[str, Rendered], references: Mapping[str, str], folder: Path) -> Sides:
    """Cases beside the reference that each names, where that was rendered too."""
    there = {name: other for name, other in references.items() if other in rendered}
    held_against = {
        name: HeldAgainst(rendered[other].rendering.strategy, rendered[other]) for name, other in there.items()
    }
    return Sides(rendered, held_against, folder)


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


def page(run: Run, file: Path, *, whole: Whole = Whole.BESIDE) -> str:
    """The page of a judged run, written into a file."""
    run = runs.open_run(run.folder)
    verdicts, cases = verdicts_of(run), cases_of(run)
    assert verdicts is not None
    write_page(file, report_on(run, verdicts, cases), sides_of_run(run, cases), cases, whole=whole)
    return file.read_text()


def catalogue(file: Path, *, pipeline: Path) -> Path:
    """A file that makes the tiny subject known to the verbs, with the recipes of the renderings made by hand."""
    shots = "".join(
        f"[tiny.shots.{shot.name}]\n{_prompts(shot)}\nseed = {shot.seed}\nsteps = {shot.steps}\n"
        + (f"pictures_per_prompt = {shot.pictures_per_prompt}\n" if shot.pictures_per_prompt else "")
        for shot in building.SHOTS
    )
    file.write_text(f'[tiny]\nabout = "by hand"\nsource = "folder:{pipeline}"\n{shots}')
    return file


def _prompts(shot: Shot) -> str:
    one, *others = shot.prompts
    return f"prompts = {json.dumps(shot.prompts)}" if others else f"prompt = {json.dumps(one)}"


def written(path: Path, *decisions: dict[str, Any], schema: int = 1, of: str = "20260301") -> Path:
    """A file of approvals, of the run that is named."""
    content = {"schema": schema, "run": of, "made": "2026-03-01T13:05:00.000Z", "decisions": decisions}
    path.write_text(json.dumps(content))
    return path


def looked_at(run: Run, case_id: str, decision: str = "approved", **changes: Any) -> dict[str, Any]:
    """A decision about a case as the page writes it: with all pictures of its first take."""
    rendering = run.rendered(case_id)
    assert rendering is not None
    pictures = [
        {"shot": one.shot, "index": one.index, "sha256": one.sha256} for one in rendering.pictures if one.take == 0
    ]
    return {"case": case_id, "decision": decision, "note": "", "pictures": pictures, **changes}


def gate_page(folder: Path, file: Path) -> str:
    """The page of a gate, written into a file."""
    result = read_gate_result(folder)
    candidate = run_of(result, CANDIDATE, gate=folder)
    cases = cases_of(candidate) if candidate else ()
    write_page(file, report_on_gate(result, folder), sides_of_gate(result, folder), cases)
    return file.read_text()

"""Tests of benchmarks/overhead.py: what it cannot measure is told in a sentence."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.overhead import devices, is_within, judged, processes, ratio, table
from fluxgate.files import write_plain
from fluxgate.refusal import USAGE
from fluxgate.render.process.notes import FILE, CaseHeader, Note, Notebook
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import plan_of
from fluxgate.runs.run import open_run
from tests.outside import ROOT, call
from tests.runs.building import CASES, put, run_of
from tests.wording import unsaid


@pytest.mark.parametrize("options", [["--runs=mine"], ["--runs", "mine"]])
def test_a_folder_for_the_run_is_refused(options: list[str], tmp_path: Path) -> None:
    """It makes one of its own, and takes it away."""
    ended = call(str(ROOT / "benchmarks" / "overhead.py"), *options, within=tmp_path)
    assert (ended.code, ended.out, ended.err.count("\n")) == (USAGE, "", 1)


def test_a_session_that_renders_nothing_is_no_measurement(tmp_path: Path) -> None:
    """pytest says why, and its exit code is handed on."""
    ended = call(str(ROOT / "benchmarks" / "overhead.py"), "--strategy=nf5", within=tmp_path)
    assert (ended.code, "Traceback" in ended.err) == (USAGE, False)


@pytest.mark.parametrize(
    ("options", "number"),
    [(["-n", "4"], 4), (["-n2"], 2), (["--numprocesses=3"], 3), (["-k", "4"], 1), (["-n", "auto"], 1), ([], 1)],
)
def test_the_number_of_processes_is_read_from_pytests_options(options: list[str], number: int) -> None:
    """Whichever way it is written; what pytest decides itself is not guessed."""
    assert processes(options) == number


def test_a_session_is_set_against_its_work(tmp_path: Path) -> None:
    """Three seconds for each of two cases: alone six, side by side three."""
    run = open_run(run_of(tmp_path, "full", "nf4").folder)
    assert [is_within(wall, run, beside=1) for wall in (6.5, 7.0)] == [True, False]
    assert [is_within(wall, run, beside=2) for wall in (3.3, 3.4)] == [True, False]
    assert not unsaid(ratio(3.4, run, beside=2), "0.88", "2 processes", "at least 0.9")


def test_what_a_worker_does_beside_rendering_is_told(tmp_path: Path) -> None:
    """By what for, in each case's line and in all; and for each device how long it waited between its cases."""
    run = run_of(tmp_path, "full", "nf4")
    for one in run.renderings().values():
        put(run, replace(one, beside={"start": 0.25}, wall_seconds=5.0))
    lines = list(table(run))
    assert lines[0].endswith("of which start, the rest")
    assert lines[1].endswith(" 0.25 1.75")
    assert "  0.5 s for start" in lines
    end = 1000.0
    for case_id in run.renderings():
        os.utime(run.case_folder(case_id) / "rendering.json", (end, end))
        end += 6.0
    (line,) = devices(run, 990.0, 1010.0)
    assert not unsaid(line, "2 cases", "begins after 5.0 s", "1.0 s between")
    assert not unsaid(line, "ends 4.0 s after")
    assert "once more" not in line


def test_a_case_that_was_cut_short_is_on_no_device(tmp_path: Path) -> None:
    """A session that was killed has its notes; when it would have ended, nobody knows."""
    run = run_of(tmp_path, "full", "nf4", finished=False)
    cut = run.case_folder("tiny-nf4")
    (cut / "rendering.json").unlink()
    notebook = Notebook(cut / FILE)
    notebook.add(Note(of=CaseHeader("tiny", "nf4", "cpu", {})))
    notebook.close()
    (line,) = devices(run, 0.0, 1e12)
    assert not unsaid(line, "1 cases")


def test_what_was_rendered_once_more_is_told_beside_what_lies_between_cases(tmp_path: Path) -> None:
    """It lies between two cases, and nobody waits for it in vain."""
    run = run_of(tmp_path, "full", "nf4")
    for end, one in zip((1010.0, 1019.0), run.renderings().values(), strict=True):
        put(run, replace(one, wall_seconds=5.0))
        os.utime(run.case_folder(one.case_id) / "rendering.json", (end, end))
        write_plain(run.once_more_folder(one.case_id) / "rendering.json", replace(one, wall_seconds=3.5))
    (line,) = devices(run, 1000.0, 1030.0)
    assert not unsaid(line, "4.0 s between", "1 rendered once more took 3.5 s", "ends 11.0 s after")


def test_judging_is_timed_by_itself(tmp_path: Path) -> None:
    """A number for each case that was rendered."""
    run = run_of(tmp_path, "full", "nf4")
    run.write_json(PLAN, plan_of(CASES.values(), asked=set(CASES)))
    (line,) = judged(run)
    assert "for 2 cases, alone: tiny-full 0." in line

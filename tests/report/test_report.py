"""Tests of the report: what it counts, what it selects, and its headline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.cases import Case
from fluxgate.judge.verdict import (
    CHECKS,
    CRASHED,
    FAILED,
    KNOWN_FAILURE,
    NF4,
    NO_DATA,
    NOT_SELECTED,
    PASSED,
    STATUSES,
    UNSUPPORTED,
    Verdict,
)
from fluxgate.refusal import Refusal
from fluxgate.rendering import Crash
from fluxgate.report.gate_result import Answer
from fluxgate.report.github import answer_of
from fluxgate.report.report import CutShort, measured_anything, report_on, verdicts_of
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import plan_of
from fluxgate.runs.run import VERDICTS, Run
from tests.report.made import LONGEST, RUN, of_case, renderings, report, verdicts
from tests.runs.building import CASES, SUBJECT, put, rendering, run_of, strategy


def test_counts_cover_every_verdict() -> None:
    """In the order of the statuses, of which all occur."""
    counts = report(verdicts()).counts
    assert tuple(counts) == STATUSES
    assert counts == {
        PASSED: 2 * len(CHECKS) - 3,
        FAILED: 1,
        CRASHED: len(CHECKS),
        KNOWN_FAILURE: len(CHECKS),
        UNSUPPORTED: len(CHECKS),
        NO_DATA: 2,
        NOT_SELECTED: len(CHECKS),
    }


def test_a_crash_is_one_failure() -> None:
    """Eleven crashed checks are one thing to look at, told by the first of them."""
    wrong = [(verdict.strategy, verdict.check, verdict.status) for verdict in report(verdicts()).failures]
    assert wrong == [("vae-tiling", CHECKS[1], FAILED), ("nf4", CHECKS[0], CRASHED)]


def test_a_known_failure_of_every_check_is_one() -> None:
    """Two that are known for different reasons are two."""
    assert [verdict.strategy for verdict in report(verdicts()).known_failures] == ["nf4-sequential-offload"]
    two = [Verdict("tiny", "a", check, KNOWN_FAILURE, f"Known: {check}.") for check in CHECKS[:2]]
    assert len(report(two).known_failures) == 2


def test_tables_hold_what_was_rendered(tmp_path: Path) -> None:
    """Neither what cannot run here nor what nobody asked for; all of it is among the cases."""
    found = report(verdicts(), renderings(tmp_path))
    assert [row.strategy for row in found.tables["tiny"]] == ["full", "vae-tiling", "nf4", "nf4-sequential-offload"]
    assert {LONGEST, "int8"} < {row.strategy for row in found.cases}
    two = report([*of_case("full", PASSED), *of_case("full", PASSED, subject="grown")])
    assert list(two.tables) == ["tiny", "grown"]


def test_versions_go_from_the_hardware_up() -> None:
    """The driver first, then the libraries that are gated."""
    assert list(report([]).versions) == ["driver", "CUDA", "Python", "torch", "diffusers"]


def test_a_cpu_has_no_cuda_whatever_torch_was_built_for() -> None:
    """What PyPI has of torch for Linux is built for CUDA."""
    made = report([])
    on_cpu = replace(made, machine=replace(made.machine, device="cpu", driver=None))
    assert made.machine.cuda
    assert list(on_cpu.versions) == ["Python", "torch", "diffusers"]


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (of_case("full", PASSED), "no failures."),
        (of_case("full", FAILED), f"{len(CHECKS)} checks failed."),
        (of_case("full", CRASHED), "1 case crashed."),
        (verdicts(), "1 check failed, 1 case crashed, 1 case with known failures."),
        (of_case("full", KNOWN_FAILURE), "no failures, 1 case with known failures."),
        (of_case("full", UNSUPPORTED), "nothing was measured."),
        ([], "nothing was measured."),
    ],
)
def test_the_headline_counts_and_says_how_it_ended(given: list[Verdict], outcome: str) -> None:
    """How much was gated comes first; a run that measured nothing does not look green."""
    told = report(given).headline
    assert told == f"{report(given).gated.sentence}: {outcome}"


def test_nothing_measured_is_seen() -> None:
    """Cells that crashed, cannot run, have no data or were not selected measure nothing."""
    measured = {status for status in STATUSES if measured_anything(of_case("full", status))}
    assert measured == {PASSED, FAILED, KNOWN_FAILURE}
    assert not report(of_case("full", UNSUPPORTED)).measured


def test_a_library_by_itself_measures_no_case() -> None:
    """NF4 passes whatever can be rendered: with no case beside it that is an answer, and to the cases it is none."""
    nf4 = Verdict("bitsandbytes", "nf4-cpu", NF4, PASSED, "It quantizes NF4 as published.")
    assert measured_anything([nf4])
    found = report([nf4, *of_case("full", UNSUPPORTED)])
    assert (found.measured, "nothing was measured" in found.headline) == (False, True)
    assert answer_of(found) is Answer.CANNOT_TELL
    assert report([nf4, *of_case("full", PASSED)]).measured


@pytest.mark.parametrize(
    ("short", "sentence"),
    [
        (CutShort(27, 46), "This run was cut short: 27 of 46 cases were rendered."),
        (CutShort(1, 46), "This run was cut short: 1 of 46 cases was rendered."),
        (CutShort(0, 1), "This run was cut short: 0 of 1 case was rendered."),
        (CutShort(1, None), "This run was cut short: 1 case was rendered, of an unknown number."),
    ],
)
def test_a_run_that_was_cut_short_says_so_first(short: CutShort, sentence: str) -> None:
    """Older runs do not know how many cases were asked for."""
    found = report(verdicts(), run=replace(RUN, finished=None, cut_short=short))
    assert found.headline.startswith(f"{sentence} 4 of 6 strategies")
    assert found.cut_short == short


def test_the_seconds_of_a_run_are_between_its_two_times() -> None:
    """A run that did not finish has none, and neither has one whose file holds no times."""
    assert RUN.seconds == 63.0
    for changes in ({"finished": None}, {"started": "noon"}, {"started": "2026-03-01T12:30:00"}):
        assert replace(RUN, **changes).seconds is None


# On a run in its folder


def reported(run: Run, *given: Verdict) -> CutShort | None:
    return report_on(run, given, CASES.values()).cut_short


def test_a_report_reads_what_the_run_has(tmp_path: Path) -> None:
    """Its facts, its renderings and their cards; the folder is shown as its reader would type it."""
    run = run_of(tmp_path, "full", "offload")
    found = report_on(run, of_case("full", PASSED), CASES.values(), folder=Path("runs/x"))
    assert found.run is not None
    assert (found.run.id, found.run.folder, found.run.command, found.cut_short) == (run.id, "runs/x", "by hand", None)
    (row,) = found.cases
    assert (row.promise, row.peaks["whole"], row.card) == ("the reference", 10**9, 8)


def test_a_run_without_an_end_was_cut_short(tmp_path: Path) -> None:
    """A case in whose middle it was cut is not counted as rendered."""
    run = run_of(tmp_path, "full", "offload", finished=False)
    assert reported(run) == CutShort(2, None)
    cut = Crash("interrupted", "the run was cut short", "denoise", ())
    put(run, replace(rendering("offload", run.case_folder("tiny-offload")), crash=cut))
    assert reported(run) == CutShort(1, None)
    assert reported(run_of(tmp_path, "full")) is None


def test_a_run_knows_how_many_cases_were_due(tmp_path: Path) -> None:
    """Those that it asked about and that could run; what else was rendered is a reference."""
    run = run_of(tmp_path, "full", "offload", finished=False)
    unsupported = replace(CASES["tiny-nf4"], unsupported="a GPU is needed")
    staged = Case(SUBJECT, strategy("staged", reproduces="full"), "cuda")
    planned = plan_of((*CASES.values(), unsupported, staged), asked={"tiny-offload", "tiny-nf4", "tiny-staged"})
    run.write_json(PLAN, replace(planned, cases=planned.cases[1:2] + planned.cases[3:]))
    assert reported(run) == CutShort(2, 3, ("tiny-staged",))


def test_the_verdicts_are_read_from_the_run(tmp_path: Path) -> None:
    """None for a run that was not judged, which is not the same as none that could be answered."""
    run = run_of(tmp_path, "full")
    assert verdicts_of(run) is None
    run.write_json(VERDICTS, of_case("full", PASSED))
    assert verdicts_of(run) == tuple(of_case("full", PASSED))


@pytest.mark.parametrize("changes", [{"status": "pssed"}, {"check": "is pretty"}])
def test_a_status_or_a_check_that_does_not_exist_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    """It would count as neither passed nor failed."""
    run = run_of(tmp_path, "full")
    run.write_json(VERDICTS, [replace(verdict, **changes) for verdict in of_case("full", PASSED)])
    with pytest.raises(Refusal, match=r"verdicts\.json has '.*'"):
        verdicts_of(run)

"""Tests of the gathering of evidence, and of the judging of a whole run."""

import datetime
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.store import Store
from fluxgate.cases import Case
from fluxgate.files import write_plain
from fluxgate.judge.gathering import Standards, gather
from fluxgate.judge.run import judge_run
from fluxgate.judge.verdict import BASELINE, CHECKS, FAILED, HOST, NOT_SELECTED, PASSED, PROMISE, TWICE, UNSUPPORTED
from fluxgate.report.illustration import illustrate
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import RENDERING, Run, create, open_run
from tests.judge.made import CRASH, FULL, NF4, OFFLOAD, SUBJECT, changed, made, nudge
from tests.runs.building import MACHINE, STACK

STANDARDS = Standards(MACHINE, STACK)


def run_of(tmp_path: Path, *found: Rendered) -> Run:
    """A run on disk that holds these renderings."""
    run = create(tmp_path / "runs", MACHINE, STACK, "pytest")
    for each in found:
        folder = run.case_folder(each.rendering.case_id)
        folder.mkdir(parents=True, exist_ok=True)
        for picture in each.rendering.pictures:
            (folder / picture.file).write_bytes((each.folder / picture.file).read_bytes())
        write_plain(folder / RENDERING, each.rendering)
    return open_run(run.folder)


def judged(run: Run, standards: Standards = STANDARDS) -> dict[tuple[str, str], str]:
    verdicts = judge_run(run, subjects=[SUBJECT], strategies=[FULL, OFFLOAD, NF4], standards=standards)
    return {(verdict.strategy, verdict.check): verdict.status for verdict in verdicts}


def test_reference_and_yardstick_come_from_the_same_run(tmp_path: Path) -> None:
    """They are asked for by their case ids, only for a case that gave something."""
    there = {f"tiny-{name}": made(tmp_path, name) for name in ("full", "offload")}
    asked: list[str] = []

    def rendered(case_id: str) -> Rendered | None:
        asked.append(case_id)
        return there.get(case_id)

    found = gather(Case(SUBJECT, OFFLOAD, "cuda"), rendered, STANDARDS)
    assert (found.rendered, found.reference, asked) == (
        there["tiny-offload"],
        there["tiny-full"],
        ["tiny-offload", "tiny-full"],
    )
    asked.clear()
    assert gather(Case(SUBJECT, NF4, "cuda"), rendered, STANDARDS).reference is None
    assert gather(Case(SUBJECT, OFFLOAD, "cuda", unsupported="no GPU"), rendered, STANDARDS).rendered is None
    assert asked == ["tiny-nf4"]


def test_known_failures_are_found_for_each_check(tmp_path: Path) -> None:
    """An entry for all checks is in force for all of them; one for another strategy for none."""
    day = datetime.date(2025, 1, 1)
    entry = KnownFailure(
        "*", "offload", "*", "broken", ("https://example.org/1",), ("diffusers<=0.42.1",), day, "ada", day
    )
    found = gather(Case(SUBJECT, OFFLOAD, "cuda"), {}.get, replace(STANDARDS, known=(entry,)))
    assert tuple(found.known) == CHECKS
    assert not gather(Case(SUBJECT, NF4, "cuda"), {}.get, replace(STANDARDS, known=(entry,))).known


def test_a_run_is_judged_in_full(tmp_path: Path) -> None:
    """Every strategy has every check; what is not in the run was not selected."""
    found = judged(run_of(tmp_path, made(tmp_path), made(tmp_path, "offload")))
    assert len(found) == 3 * len(CHECKS)
    assert {found["full", TWICE], found["offload", PROMISE]} == {PASSED}
    assert {found["nf4", check] for check in CHECKS} == {NOT_SELECTED}


def test_what_was_rendered_is_judged_whatever_the_registry_says_today(tmp_path: Path) -> None:
    """A strategy that this program would not try on that machine is still judged where it was rendered."""
    never = replace(OFFLOAD, unsupported=lambda *_: "It needs another release.")
    run = run_of(tmp_path, made(tmp_path), made(tmp_path, "offload"))
    verdicts = judge_run(run, subjects=[SUBJECT], strategies=[FULL, never], standards=STANDARDS)
    assert PASSED in {verdict.status for verdict in verdicts if verdict.strategy == "offload"}
    verdicts = judge_run(
        run_of(tmp_path, made(tmp_path)), subjects=[SUBJECT], strategies=[FULL, never], standards=STANDARDS
    )
    assert {verdict.status for verdict in verdicts if verdict.strategy == "offload"} == {UNSUPPORTED}


def test_what_failed_is_drawn_into_the_run(tmp_path: Path) -> None:
    """The difference lies where the verdict and its sentence say, once it was drawn."""
    run = run_of(tmp_path, made(tmp_path), changed(made(tmp_path, "offload"), nudge))
    verdicts = illustrate(judge_run(run, subjects=[SUBJECT], strategies=[OFFLOAD], standards=STANDARDS), run.folder)
    found = next(verdict for verdict in verdicts if verdict.check == PROMISE)
    assert found.status == FAILED
    for path in found.pictures.values():
        assert (run.folder / path).is_file()
    assert str(run.folder / found.pictures["difference"]) in found.sentence


def test_a_store_without_baselines_is_looked_at(tmp_path: Path) -> None:
    """An empty store has no baseline, which fails where one is required."""
    run = run_of(tmp_path, made(tmp_path))
    (tmp_path / "baselines").mkdir()
    standards = replace(STANDARDS, store=Store(tmp_path / "baselines"))
    assert judged(run, standards)["full", BASELINE] == UNSUPPORTED
    assert judged(run, replace(standards, require_baseline=True))["full", BASELINE] == FAILED


def test_what_was_accepted_can_be_passed_over(tmp_path: Path) -> None:
    """On libraries other than the accepted ones, only the promises within the run are asked for."""
    run = run_of(tmp_path, made(tmp_path))
    (tmp_path / "baselines").mkdir()
    standards = replace(STANDARDS, store=Store(tmp_path / "baselines"), no_baseline=True)
    found = {
        verdict.check: verdict for verdict in judge_run(run, subjects=[SUBJECT], strategies=[FULL], standards=standards)
    }
    assert (found[BASELINE].status, found[PROMISE].status) == (UNSUPPORTED, PASSED)
    assert found[BASELINE].sentence == "What was accepted was not asked for: --no-baseline."
    assert found[HOST].sentence.startswith("What was accepted was not asked for: --no-baseline. It peaks at ")


def test_a_crashed_case_is_judged_without_its_reference(tmp_path: Path) -> None:
    """Nothing else is asked for once it has crashed."""
    asked: list[str] = []

    def rendered(case_id: str) -> Rendered:
        asked.append(case_id)
        return made(tmp_path, "offload", crash=CRASH)

    assert gather(Case(SUBJECT, OFFLOAD, "cuda"), rendered, STANDARDS).reference is None
    assert asked == ["tiny-offload"]


@pytest.mark.parametrize(
    "module", ["fluxgate.judge.run", "fluxgate.report.terminal", "fluxgate.report.markdown", "fluxgate.report.json"]
)
def test_judging_and_reporting_need_no_torch(module: str) -> None:
    """A run can be judged on a laptop: none of the gated libraries is imported."""
    code = f"import json, sys, {module}; print(json.dumps(sorted(set(name.partition('.')[0] for name in sys.modules))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert not {"torch", "diffusers", "transformers", "accelerate", "bitsandbytes", "pytest"} & set(
        json.loads(done.stdout)
    )

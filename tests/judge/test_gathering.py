"""Tests of the gathering of evidence, and of the judging of many cases."""

import datetime
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines import manifest
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.store import Store
from fluxgate.cases import Case
from fluxgate.compare.facts import ALLOCATED
from fluxgate.files import write_plain
from fluxgate.judge.gathering import gather, judge_cases, needs_confirmation, needs_float32
from fluxgate.judge.standards import BaselineUse, Standards
from fluxgate.judge.usual_work import SUBJECT as MINIATURE
from fluxgate.judge.usual_work import shipped
from fluxgate.judge.verdict import BASELINE, FAILED, NO_DATA, NOT_SELECTED, PROMISE, TWICE
from fluxgate.rendering import PHASES, RENDERING, Duration, Rendering
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import once_more_folder
from fluxgate.subjects.catalogue import subjects
from tests.judge.made import CRASH, FULL, NF4, OFFLOAD, SUBJECT, accepted, changed, made, nudge, promising
from tests.runs.building import MACHINE, STACK, memory

STANDARDS = Standards(MACHINE, STACK)
OFFLOADED, QUANTIZED = Case(SUBJECT, OFFLOAD, "cuda"), Case(SUBJECT, NF4, "cuda")


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def rendered(tmp_path: Path, asked: list[str]) -> Callable[[str], Rendered | None]:
    """A run of full and offload, which notes what it is asked for."""
    renderings = {f"tiny-{name}": made(tmp_path, name) for name in ("full", "offload")}

    def of(case_id: str) -> Rendered | None:
        asked.append(case_id)
        return renderings.get(case_id)

    return of


def test_both_references_come_from_the_same_run(rendered: Callable[[str], Rendered | None], asked: list[str]) -> None:
    """That of the pictures and that of the memory, by the ids of their cases."""
    thrifty = replace(OFFLOADED, strategy=promising("offload", reproduces="full", less_memory_than="full"))
    found = gather(thrifty, rendered, STANDARDS)
    assert asked == ["tiny-offload", "tiny-full", "tiny-full", "tiny-full-float32"]
    assert found.reference is found.memory_reference is rendered("tiny-full")


def test_nothing_else_is_asked_of_a_case_that_gave_nothing(
    tmp_path: Path, rendered: Callable[[str], Rendered | None], asked: list[str]
) -> None:
    """One that is not there, one that cannot run, one that crashed."""
    assert gather(QUANTIZED, rendered, STANDARDS).rendered is None
    assert gather(replace(OFFLOADED, unsupported="no GPU"), rendered, STANDARDS).rendered is None
    assert asked == ["tiny-nf4"]
    crashed = {"tiny-offload": made(tmp_path, "offload", crash=CRASH), "tiny-full": made(tmp_path)}
    assert gather(OFFLOADED, crashed.get, STANDARDS).reference is None
    crashed["tiny-full"] = made(tmp_path, crash=CRASH)  # which says why both did
    assert gather(OFFLOADED, crashed.get, STANDARDS).reference is crashed["tiny-full"]


@pytest.mark.parametrize(("device", "there"), [(None, True), ("cuda", True), ("cpu", False)])
@pytest.mark.parametrize("check", [PROMISE, "*"])
def test_a_known_failure_is_of_its_check_and_device(
    tmp_path: Path, check: str, device: Literal["cuda", "cpu"] | None, there: bool
) -> None:
    """Also where the case gave something to be judged."""
    day = datetime.date(2025, 1, 1)
    entry = KnownFailure(
        "*", "offload", check, "broken", ("https://x",), ("diffusers<=0.42.1",), day, "ada", day, device
    )
    run = {"tiny-offload": made(tmp_path, "offload")}
    found = gather(OFFLOADED, run.get, replace(STANDARDS, known_failures=(entry,))).known_failures
    assert (PROMISE in found, TWICE in found) == (there, there and check == "*")


def test_usual_work_is_asked_of_such_a_machine(tmp_path: Path) -> None:
    """For the miniature alone, of which it ships."""
    usual = next(one for one in shipped().counted if "full" in one.work)
    work = usual.work["full"]
    machine = replace(MACHINE, device=usual.device, capability=usual.capability, cuda=usual.cuda)
    case = Case(subjects()[MINIATURE], FULL, usual.device)
    one = made(tmp_path, subject=MINIATURE, libraries=dict(usual.stack), work=work, recipes={work.shot: usual.recipe})
    known = gather(case, {case.id: one}.get, Standards(machine, STACK)).usual_work
    assert known is not None
    assert known.work == work
    assert gather(case, {case.id: one}.get, STANDARDS).usual_work is None


def test_verdicts_name_pictures_within_the_run(tmp_path: Path) -> None:
    """As the user would write its folder."""
    run = {"tiny-full": made(tmp_path), "tiny-offload": changed(made(tmp_path, "offload"), nudge, shot="pair")}
    found = judge_cases([OFFLOADED], run.get, STANDARDS, run=tmp_path)
    promise = next(one for one in found if one.check == PROMISE)
    assert promise.pictures["expected"] == "cases/tiny-full/pair-0.png"


def test_known_failures_are_those_of_the_checks_that_apply() -> None:
    """An entry for all checks is in force for all of them; one for another strategy for none."""
    day = datetime.date(2025, 1, 1)
    entry = KnownFailure(
        "*", "offload", "*", "broken", ("https://example.org/1",), ("diffusers<=0.42.1",), day, "ada", day
    )
    standards = replace(STANDARDS, known_failures=(entry,))
    found = gather(OFFLOADED, lambda case_id: None, standards)
    assert {TWICE, PROMISE, BASELINE} <= set(found.known_failures)
    assert set(found.known_failures.values()) == {entry}
    assert not gather(QUANTIZED, lambda case_id: None, standards).known_failures


def test_a_known_failure_of_torch_ends_with_its_release() -> None:
    """torch is the machine's, and no part of the stack."""
    day = datetime.date(2025, 1, 1)
    for versions, known in (("torch<0.9", False), ("torch<99", True)):
        entry = KnownFailure("*", "offload", "*", "broken", ("https://example.org/1",), (versions,), day, "ada", day)
        found = gather(OFFLOADED, lambda case_id: None, replace(STANDARDS, known_failures=(entry,)))
        assert bool(found.known_failures) is known


@pytest.mark.parametrize(
    ("use", "status"),
    [(BaselineUse.IF_ANY, NO_DATA), (BaselineUse.REQUIRED, FAILED), (BaselineUse.IGNORED, NOT_SELECTED)],
)
def test_the_use_of_baselines_reaches_the_check(
    tmp_path: Path, rendered: Callable[[str], Rendered | None], use: BaselineUse, status: str
) -> None:
    """An empty store has none."""
    standards = replace(STANDARDS, store=Store(tmp_path / "baselines"), baseline_use=use)
    found = judge_cases([Case(SUBJECT, FULL, "cuda")], rendered, standards)
    assert next(verdict.status for verdict in found if verdict.check == BASELINE) == status


def test_baselines_that_are_ignored_are_not_read(
    tmp_path: Path, rendered: Callable[[str], Rendered | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a damaged one does no harm then."""
    monkeypatch.setattr(baselines, "find", None)  # whoever calls it now fails
    standards = replace(STANDARDS, store=Store(tmp_path / "baselines"), baseline_use=BaselineUse.IGNORED)
    assert gather(Case(SUBJECT, FULL, "cuda"), rendered, standards).baseline is None


def test_earlier_paces_are_asked_of_whoever_knows_them(rendered: Callable[[str], Rendered | None]) -> None:
    """With the rendering and the name of its reference."""

    def paces(rendering: Rendering, reference: str | None) -> dict[str, tuple[float, ...]]:
        assert (rendering.case_id, reference) == ("tiny-offload", "full")
        return {"denoise": (2.0,)}

    assert gather(OFFLOADED, rendered, replace(STANDARDS, paces=paces)).paces == {"denoise": (2.0,)}


def test_verdicts_come_in_the_order_of_the_cases(rendered: Callable[[str], Rendered | None]) -> None:
    """Those of a case together."""
    found = judge_cases([QUANTIZED, OFFLOADED], rendered, STANDARDS)
    assert list(dict.fromkeys(verdict.case_id for verdict in found)) == ["tiny-nf4", "tiny-offload"]


HEAVY = {"torch", "diffusers", "transformers", "accelerate", "bitsandbytes", "pytest"}


@pytest.mark.parametrize("module", ["fluxgate.session.session", "fluxgate.report.terminal", "fluxgate.report.markdown"])
def test_judging_and_reporting_need_no_torch(module: str) -> None:
    """A run can be judged on a laptop: none of the gated libraries is imported."""
    code = f"import json, sys, {module}; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert not HEAVY & set(json.loads(done.stdout))


def test_float32_is_asked_where_pictures_are_not_the_accepted_ones(tmp_path: Path) -> None:
    """Not where they are, nor where nothing was accepted for this machine, or it is left out."""
    ours = made(tmp_path, "offload")
    root = tmp_path / "baselines"
    kept = accepted(ours, root / MACHINE.id / "tiny", machine=MACHINE.id)
    write_plain(kept.folder / baselines.facts_file("offload"), kept.case)
    manifest.seal(kept.folder)
    standards = replace(STANDARDS, store=Store(root))
    moved = changed(ours, nudge, shot="fox").rendering
    assert needs_float32(OFFLOADED, moved, standards)
    assert not needs_float32(OFFLOADED, ours.rendering, standards)
    assert not needs_float32(OFFLOADED, moved, STANDARDS)
    assert not needs_float32(OFFLOADED, moved, replace(standards, baseline_use=BaselineUse.IGNORED))
    of_a_new_shot = replace(moved, pictures=tuple(replace(one, shot="new") for one in moved.pictures))
    assert not needs_float32(OFFLOADED, of_a_new_shot, standards)


@pytest.fixture
def kept(tmp_path: Path) -> Store:
    """A store in which three strategies are accepted for this machine."""
    root = tmp_path / "kept"
    for name in ("full", "full-float32", "offload"):
        one = accepted(made(tmp_path / "before", name), root / MACHINE.id / "tiny", machine=MACHINE.id)
        write_plain(one.folder / baselines.facts_file(name), one.case)
        manifest.seal(one.folder)
    return Store(root)


def test_all_that_is_known_of_a_case_is_gathered(tmp_path: Path, kept: Store) -> None:
    """What was accepted of itself, of its reference and of float32, and what the same run gave of them."""
    run = {f"tiny-{name}": made(tmp_path, name) for name in ("full", "full-float32", "offload")}
    again = once_more_folder(run["tiny-offload"].folder)
    again.mkdir(parents=True)
    write_plain(again / RENDERING, replace(run["tiny-offload"].rendering, wall_seconds=9.0))
    standards = replace(STANDARDS, store=kept, numbers_on_disk=lambda subject: {subject.name: 7})
    found = gather(OFFLOADED, run.get, standards, run=tmp_path)
    named = {
        name: one.case.strategy
        for name, one in (
            ("own", found.baseline),
            ("reference", found.reference_baseline),
            ("float32", found.float32_baseline),
        )
        if one
    }
    assert named == {"own": "offload", "reference": "full", "float32": "full-float32"}
    assert (found.rendered, found.reference, found.float32) == tuple(
        run[f"tiny-{name}"] for name in ("offload", "full", "full-float32")
    )
    assert found.once_more is not None
    assert found.once_more.rendering.wall_seconds == 9.0
    assert (found.numbers_on_disk, found.run) == ({"tiny": 7}, tmp_path)
    assert found.machine == STANDARDS.machine.id
    assert found.limits.gives_back is not None


def test_a_float32_case_that_crashed_tells_nothing(tmp_path: Path, kept: Store) -> None:
    """Nor does a crashed case itself lose what it gave, its known failures and its run."""
    run = {"tiny-offload": made(tmp_path, "offload"), "tiny-full-float32": made(tmp_path, "full-float32", crash=CRASH)}
    assert gather(OFFLOADED, run.get, replace(STANDARDS, store=kept)).float32 is None
    run["tiny-offload"] = made(tmp_path, "offload", crash=CRASH)
    found = gather(OFFLOADED, run.get, STANDARDS, run=tmp_path)
    assert (found.rendered, found.run) == (run["tiny-offload"], tmp_path)


def test_what_was_accepted_of_memory_is_no_limit_where_it_is_ignored(tmp_path: Path, kept: Store) -> None:
    """And a run without a store has none."""
    one = made(tmp_path, "offload")
    for use, there in ((BaselineUse.IF_ANY, True), (BaselineUse.IGNORED, False)):
        limits = gather(OFFLOADED, {one.rendering.case_id: one}.get, replace(STANDARDS, store=kept, baseline_use=use))
        assert (limits.limits.gives_back is not None) is there
    assert gather(OFFLOADED, {one.rendering.case_id: one}.get, STANDARDS).limits.gives_back is None


def test_seconds_beyond_what_is_usual_are_worth_another_rendering(tmp_path: Path) -> None:
    """By those of the latest runs."""
    standards = replace(STANDARDS, paces=lambda *_: {"denoise": (4.0,) * 5})
    for seconds, worth in ((4.0, False), (6.0, True)):
        one = made(tmp_path, "offload", durations=(Duration("denoise", seconds, "fox", 0),))
        assert needs_confirmation(OFFLOADED, one, standards) is worth


def test_memory_beyond_what_was_accepted_is_worth_another_rendering(tmp_path: Path, kept: Store) -> None:
    """Not memory as it was, nor a crash, which has none."""
    folder = kept.own / MACHINE.id / "tiny"
    case = baselines.read_case(kept, MACHINE.id, "tiny", "offload")
    assert case is not None
    peaks: dict[str, dict[str, tuple[int, ...]]]
    peaks = {phase: {ALLOCATED: (10**9,)} for phase in (*PHASES, "whole")}
    write_plain(folder / baselines.facts_file("offload"), replace(case.case, peaks=peaks))
    manifest.seal(folder)
    standards, usual = replace(STANDARDS, store=kept), made(tmp_path, "offload")
    more = replace(usual, rendering=replace(usual.rendering, memory=memory(2 * 10**9)))
    assert needs_confirmation(OFFLOADED, more, standards)
    assert not needs_confirmation(OFFLOADED, usual, standards)
    assert not needs_confirmation(OFFLOADED, replace(more, rendering=replace(more.rendering, crash=CRASH)), standards)
    assert not needs_confirmation(OFFLOADED, more, STANDARDS)
    (folder / baselines.facts_file("offload")).write_text("{}")
    assert not needs_confirmation(OFFLOADED, more, standards)  # the judge says what is wrong with it


def test_float32_is_not_asked_of_itself_nor_where_a_baseline_is_damaged(tmp_path: Path, kept: Store) -> None:
    """Nor of a case that crashed."""
    standards = replace(STANDARDS, store=kept)
    moved = changed(made(tmp_path, "offload"), nudge, shot="fox").rendering
    assert needs_float32(OFFLOADED, moved, standards)
    own = replace(OFFLOADED, strategy=replace(OFFLOAD, name="full-float32"))
    assert not needs_float32(own, moved, standards)
    assert not needs_float32(OFFLOADED, replace(moved, crash=CRASH), standards)
    (kept.own / MACHINE.id / "tiny" / baselines.facts_file("offload")).write_text("{}")
    assert not needs_float32(OFFLOADED, moved, standards)

"""Changes: which cases are written at all, what their facts will be, and how all of it reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.baselines.baseline import Acceptance
from fluxgate.baselines.changes import Plan
from fluxgate.baselines.limit_changes import LimitsChange
from fluxgate.baselines.limits import LimitsFile
from fluxgate.rendering import DENOISE, Duration, PhaseWork, Work
from tests.baselines.acceptance import accept, accepted_case, planned
from tests.runs.building import put, run_of
from tests.wording import unsaid

LATER = Acceptance("somebody else", "2027-01-01T00:00:00+00:00", "later", "another run", None, {})


@pytest.fixture
def plan(folder: Path, root: Path) -> Plan:
    """Of three cases that another run has rendered the same."""
    accept(run_of(folder, "full", "offload", "nf4"), root)
    return planned(run_of(folder, "full", "offload", "nf4"), root)


def test_who_accepts_and_why_is_no_change(folder: Path, root: Path) -> None:
    """Facts that differ in nothing else are not written."""
    run = run_of(folder, "full")
    accept(run, root)
    (case,) = planned(run, root).cases
    assert not case.changed
    assert case.facts(LATER) == replace(accepted_case(root, "full"), accepted=LATER)


def test_a_new_picture_has_the_reason_of_its_acceptance(folder: Path, root: Path) -> None:
    """One that stays keeps its own."""
    accept(run_of(folder, "full"), root, because="first")
    (case,) = planned(run_of(folder, "full", seed=1), root).cases
    assert {picture.because for shot in case.facts(LATER).shots for picture in shot.pictures} == {"later"}
    (case,) = planned(run_of(folder, "full"), root).cases
    assert {picture.because for shot in case.facts(LATER).shots for picture in shot.pictures} == {"first"}


def test_a_picture_among_several_right_ones_is_no_change(folder: Path, root: Path) -> None:
    """Either of them is held; neither is told as a difference."""
    first = run_of(folder, "full")
    accept(first, root, because="cuDNN 9")
    accept(run_of(folder, "full", seed=1), root, because="cuDNN 10", keep_pictures=True)
    (case,) = planned(first, root).cases
    assert case.pictures == ()
    assert not any("picture" in line for line in case.lines)
    assert case.facts(LATER).shots == accepted_case(root, "full").shots


def test_a_line_that_several_cases_share_is_told_once(plan: Plan) -> None:
    """With their names, or the first of them and how many more."""
    (line,) = plan.lines()
    assert not unsaid(line, "tiny-full", "tiny-nf4", "tiny-offload", "2 in all")
    assert "more" not in line
    more = replace(plan, cases=(*plan.cases, plan.cases[0]))
    assert not unsaid(next(more.lines()), "tiny-full", "tiny-nf4", "tiny-offload", "1 more")


def test_notes_and_what_stays_are_told_too(plan: Plan) -> None:
    """Nothing of a run is passed over in silence."""
    full, *others = plan.cases
    assert full.before is not None
    samples = type(full.samples)(full.before.case.peaks, (0,), full.before.case.seconds)
    same = replace(full, samples=samples, step_paces=full.before.case.step_paces, lines=())
    told = list(replace(plan, cases=(replace(same, notes=("its ceiling stays",)),), left_out=("tiny-nf4",)).lines())
    left_out, note, same_as_before = told
    assert not unsaid(left_out, "tiny-nf4", "left out", "known failure")
    assert (note, unsaid(same_as_before, "tiny-full", "unchanged")) == ("tiny-full: its ceiling stays", [])
    assert len(others) == 2


def test_a_picture_is_named_by_its_owner_and_its_pixels(plan: Plan) -> None:
    """So that cases which share it share the file, and another picture never takes its place."""
    owners = {case.strategy: case.file_of("fox", 0, "0123456789abcdef") for case in plan.cases}
    assert owners == {
        "full": "full-fox-0-0123456789ab.png",
        "nf4": "nf4-fox-0-0123456789ab.png",
        "offload": "full-fox-0-0123456789ab.png",
    }


def test_warnings_are_kept_and_new_ones_are_told(folder: Path, root: Path) -> None:
    """They are a change of what was accepted; that an older acceptance kept none is not."""
    run = run_of(folder, "full")
    accept(run, root)
    assert accepted_case(root, "full").warnings == ()
    rendered = run.rendered("tiny-full")
    assert rendered is not None
    put(run, replace(rendered, warnings=("it is slow",)))
    (case,) = planned(run, root).cases
    assert (case.changed, case.facts(LATER).warnings) == (True, ("it is slow",))
    assert "a new warning: it is slow" in case.lines


def test_work_is_accepted_as_one_call_did_it(folder: Path, root: Path) -> None:
    """Without its seconds; a run in which nothing could be counted leaves it as it is."""
    call = (PhaseWork(DENOISE, operators={"aten.mm": 3}),)
    run = run_of(folder, "full")
    put(run, replace(run.renderings()["tiny-full"], work=Work("fox", 3, (call, call), count=2, seconds=9.0)))
    accept(run, root)
    kept = accepted_case(root, "full").work
    assert kept == Work("fox", 3, (call,), count=1)
    for uncounted in (None, Work("fox", 3, (), unavailable="the call failed")):
        put(run, replace(run.renderings()["tiny-full"], work=uncounted))
        (case,) = planned(run, root).cases
        assert case.facts(LATER).work == kept


def test_limits_that_stay_are_told(plan: Plan) -> None:
    """By their subject; those that move have lines of their own."""
    file = LimitsFile("tiny", plan.machine, {}, {})
    limits = (LimitsChange(file, ()), LimitsChange(file, ("tiny-nf4: ssim at least 0.9",)))
    stay, moves = replace(plan, cases=(), limits=limits).lines()
    assert not unsaid(stay, "tiny", "limits", "stay")
    assert moves == "tiny-nf4: ssim at least 0.9"


def test_a_note_on_a_case_comes_after_the_reason_for_all(plan: Plan) -> None:
    """A case without one has that reason alone."""
    case = plan.cases[0]
    assert case.noted(LATER) == LATER
    assert replace(case, note="only one level").noted(LATER) == replace(LATER, because="later: only one level")


def test_facts_hold_what_the_first_take_was(folder: Path, root: Path) -> None:
    """Its stages, its noise levels and what torch drew, and what it was made of."""
    run = run_of(folder, "full", "nf4")
    rendering = run.renderings()["tiny-nf4"]
    steps = Duration("denoise", 2.0, "fox", 0, (1.0,) * 3, (1.0, 0.5, 0.0))
    put(run, replace(rendering, draws={"float32": (0.5,)}, durations=(steps,)))
    _, case = planned(run, root).cases
    facts = case.facts(LATER)
    assert facts.fingerprints == tuple(one for one in rendering.fingerprints if one.take == 0) != ()
    assert (facts.inventory, facts.draws) == (rendering.inventory, {"float32": (0.5,)})
    assert (facts.levels, facts.step_paces) == ({"fox": (1.0, 0.5, 0.0)}, {"fox": (2.0,)})


def test_of_what_only_approximates_two_pictures_are_kept(plan: Plan) -> None:
    """One of each of two shots; of a reference, and of what reproduces it, all of them."""
    kept = {
        case.strategy: [
            (shot.shot, picture.kept)
            for shot in replace(case, before=None).facts(LATER).shots
            for picture in shot.pictures
        ]
        for case in plan.cases
    }
    assert all(is_kept for name in ("full", "offload") for _, is_kept in kept[name])
    assert sorted(shot for shot, is_kept in kept["nf4"] if is_kept) == ["fox", "pair"]
    assert len(kept["nf4"]) == 5

"""Tests of what an upgrade did to one case."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.baselines.limits import Band, Limit
from fluxgate.cases import Case
from fluxgate.compare.draws import dtype_of
from fluxgate.compare.measures import SSIM
from fluxgate.gate.outcome import (
    BROKEN,
    CANNOT_RUN,
    CHANGED,
    DRIFTED,
    FIXED,
    GAINED,
    IDENTICAL,
    LOST,
    UNSTEADY,
    Side,
    outcome_of,
)
from fluxgate.judge.verdict import FAILED, GIVES_BACK, ORACLE, PASSED, PROMISE, TWICE, WEIGHTS, WORK, Verdict
from fluxgate.rendering import (
    DENOISE,
    LAST,
    NOISE,
    SEVERAL,
    T5,
    Crash,
    GivenStage,
    GivenTake,
    PhaseWork,
    Work,
    of_call,
)
from fluxgate.report.gate_result import CaseResult
from fluxgate.runs.rendered import Rendered
from tests.judge.made import changed, left_at, made, nudge, one_level, scramble, tiled
from tests.runs.building import CASES, STACK

CASE = CASES["tiny-full"]
NEWER = {**STACK, "diffusers": "0.43.0"}
CRASH = Crash("exception", "TypeError: unexpected keyword argument 'offload_state_dict'", "load", ())
LIKE_A_NEIGHBOUR = {SSIM: Band(floor=Limit(0.5, "between releases"))}


def outcome(before: Rendered | None, after: Rendered | None, *, case: Case = CASE, **more: Any) -> CaseResult:
    return outcome_of(Side(case, STACK, before), Side(case, NEWER, after), **more)


@pytest.fixture
def before(tmp_path: Path) -> Rendered:
    return made(tmp_path / "before")


@pytest.fixture
def after(tmp_path: Path) -> Rendered:
    return made(tmp_path / "after")


def test_the_same_is_identical(before: Rendered, after: Rendered) -> None:
    """Every picture, stage and byte."""
    found = outcome(before, after)
    assert (found.outcome, found.pictures_compared > 0, found.pictures_moved, found.is_bad) == (
        IDENTICAL,
        True,
        0,
        False,
    )


def test_a_little_is_drift_where_drift_was_measured(before: Rendered, after: Rendered) -> None:
    """Pictures within the band; without a band nobody knows, so they have changed."""
    moved = left_at(changed(after, nudge), LAST)
    found = outcome(before, moved, drift=LIKE_A_NEIGHBOUR)
    assert (found.outcome, found.stage, found.is_bad) == (DRIFTED, LAST, False)
    assert found.reason.startswith(f"{found.pictures_moved} of {found.pictures_compared} pictures moved")
    assert outcome(before, moved).outcome == CHANGED


def test_rounding_in_float32_is_drift_without_a_band(before: Rendered, after: Rendered) -> None:
    """One level in a few numbers; more than that is no rounding."""
    case = replace(CASE, subject=replace(CASE.subject, dtype="float32"))
    before, after = changed(before, tiled), changed(after, tiled)
    assert outcome(before, changed(after, one_level), case=case).outcome == DRIFTED
    assert outcome(before, changed(after, nudge), case=case).outcome == CHANGED
    assert outcome(before, changed(after, one_level)).outcome == CHANGED


def test_another_picture_has_changed(before: Rendered, after: Rendered) -> None:
    """Beyond the band; the first stage that differs and the shots are named."""
    found = outcome(before, left_at(changed(after, scramble, shot="fox"), T5, LAST), drift=LIKE_A_NEIGHBOUR)
    assert (found.outcome, found.stage, found.shots, found.is_bad) == (CHANGED, T5, ("fox",), True)


def test_a_moved_dtype_is_no_drift(before: Rendered, after: Rendered) -> None:
    """Whatever the pictures say: both sides and the total are told."""
    inventory = after.rendering.inventory
    assert inventory is not None
    wider = replace(inventory.components["transformer"], bytes_by_dtype={"bfloat16": 600, "float32": 800})
    components = {**inventory.components, "transformer": wider}
    rendering = replace(after.rendering, inventory=replace(inventory, components=components))
    found = outcome(before, replace(after, rendering=rendering), drift=LIKE_A_NEIGHBOUR)
    assert found.outcome == CHANGED
    assert all(word in found.inventory[0] for word in ("bfloat16", "float32", "in all"))


@pytest.mark.parametrize(
    ("quantized", "status", "is_now"), [(600, PASSED, DRIFTED), (0, PASSED, CHANGED), (600, FAILED, BROKEN)]
)
def test_other_codes_that_both_hold_to_the_file_are_drift(
    before: Rendered, after: Rendered, quantized: int, status: str, is_now: str
) -> None:
    """bitsandbytes 0.49.2 has other codes than 0.50.2 in blocks of zeros; plain weights have no codes."""
    sides = []
    for rendered, sha256, each in ((before, "a" * 64, PASSED), (after, "b" * 64, status)):
        inventory = rendered.rendering.inventory
        assert inventory is not None
        stored = replace(inventory.components["transformer"], state_sha256=sha256, quantized_bytes=quantized)
        components = {**inventory.components, "transformer": stored}
        rendering = replace(rendered.rendering, inventory=replace(inventory, components=components))
        verdict = Verdict("tiny", "full", WEIGHTS, each, "")
        sides.append(Side(CASE, STACK, replace(rendered, rendering=rendering), verdicts={WEIGHTS: verdict}))
    assert outcome_of(*sides).outcome == is_now


def test_other_noise_levels_are_no_drift(before: Rendered, after: Rendered) -> None:
    """Timesteps given by the caller and silently replaced."""
    one, other = (
        replace(
            each,
            rendering=replace(
                each.rendering,
                durations=tuple(
                    replace(duration, levels=levels) if duration.shot else duration
                    for duration in each.rendering.durations
                ),
            ),
        )
        for each, levels in ((before, (1.0, 0.5)), (after, (1.0, 0.6)))
    )
    assert outcome(one, other, drift=LIKE_A_NEIGHBOUR).outcome == CHANGED


def test_a_new_crash_is_broken(before: Rendered, after: Rendered) -> None:
    """Its last line is the reason; the other way round it is fixed, and in both it is the same."""
    crashed = replace(after, rendering=replace(after.rendering, crash=CRASH))
    found = outcome(before, crashed)
    assert (found.outcome, "offload_state_dict" in found.reason, found.crashed_during) == (BROKEN, True, "load")
    assert outcome(crashed, before).outcome == FIXED
    assert outcome(crashed, crashed).outcome == IDENTICAL


def test_a_crash_in_other_words_is_no_fault_of_the_upgrade(before: Rendered, after: Rendered) -> None:
    """Where the case crashed before, in a sentence with a version or a folder in it; both sentences are told."""
    crashes = [
        replace(CRASH, sentence=f"ImportError: bitsandbytes {version} is too old.") for version in ("1.0", "2.0")
    ]
    one, other = (
        replace(side, rendering=replace(side.rendering, crash=crash))
        for side, crash in zip((before, after), crashes, strict=True)
    )
    found = outcome(one, other)
    assert (found.outcome, found.is_bad) == (IDENTICAL, False)
    assert ("1.0" in found.reason, "2.0" in found.reason) == (True, True)
    killed = replace(one, rendering=replace(one.rendering, crash=Crash("signal", "It was killed.", "load", ())))
    assert outcome(killed, other).outcome == CHANGED


def test_a_check_that_fails_now_is_broken(before: Rendered, after: Rendered) -> None:
    """Although the pictures may be the same."""
    failed, passed = (Verdict("tiny", "full", TWICE, status, "It did not.") for status in (FAILED, PASSED))
    good, bad = (
        Side(CASE, STACK, before, {TWICE: passed}),
        Side(CASE, NEWER, after, {TWICE: failed}),
    )
    assert (outcome_of(good, bad).outcome, outcome_of(good, bad).checks) == (BROKEN, (TWICE,))
    assert outcome_of(bad, good).outcome == FIXED
    assert outcome_of(bad, bad).outcome == IDENTICAL


def failing(*checks: str) -> dict[str, Verdict]:
    return {check: Verdict("tiny", "full", check, FAILED, f"It did not pass {check}.") for check in checks}


def test_a_case_is_fixed_only_if_all_of_it_passes(before: Rendered, after: Rendered) -> None:
    """One check that turns green while another still fails is told, and fixes nothing."""
    both, one = failing(TWICE, PROMISE), failing(PROMISE)
    found = outcome_of(Side(CASE, STACK, before, both), Side(CASE, NEWER, after, one))
    assert (found.outcome, found.checks, PROMISE in found.reason) == (IDENTICAL, (TWICE,), True)
    moved = changed(after, scramble)
    assert outcome_of(Side(CASE, STACK, before, both), Side(CASE, NEWER, moved, one)).outcome == CHANGED
    fixed = outcome_of(Side(CASE, STACK, before, both), Side(CASE, NEWER, moved))
    assert (fixed.outcome, fixed.checks) == (FIXED, (TWICE, PROMISE))


@pytest.mark.parametrize("check", [GIVES_BACK, WORK])
def test_a_cost_that_is_mended_excuses_no_other_picture(before: Rendered, after: Rendered, check: str) -> None:
    """A leak that is gone moves no pixel: pictures that have moved are held to the incumbent's as ever."""
    costly = Side(CASE, STACK, before, failing(check))
    found = outcome_of(costly, Side(CASE, NEWER, after))
    assert (found.outcome, found.checks) == (FIXED, (check,))
    assert outcome_of(costly, Side(CASE, NEWER, changed(after, scramble))).outcome == CHANGED
    drifted = left_at(changed(after, nudge), LAST)
    assert outcome_of(costly, Side(CASE, NEWER, drifted), drift=LIKE_A_NEIGHBOUR).outcome == DRIFTED
    both = replace(costly, verdicts=failing(check, PROMISE))
    assert outcome_of(both, Side(CASE, NEWER, changed(after, scramble))).outcome == FIXED


def test_what_crashed_and_fails_now_is_not_fixed(before: Rendered, after: Rendered, tmp_path: Path) -> None:
    """Nor what is not the same twice, now that it renders at all."""
    crashed = replace(before, rendering=replace(before.rendering, crash=CRASH))
    found = outcome_of(Side(CASE, STACK, crashed), Side(CASE, NEWER, after, failing(PROMISE)))
    assert (found.outcome, found.checks, "crashed before" in found.reason) == (CHANGED, (PROMISE,), True)
    again = changed(made(tmp_path / "again"), nudge)
    assert outcome_of(Side(CASE, STACK, crashed), Side(CASE, NEWER, after, repeats=(again,))).outcome == CHANGED
    assert outcome_of(Side(CASE, STACK, crashed), Side(CASE, NEWER, after)).outcome == FIXED
    assert outcome_of(Side(CASE, STACK, crashed), Side(CASE, NEWER)).outcome == CANNOT_RUN


def test_what_no_longer_fails_and_is_not_the_same_twice_is_broken(
    before: Rendered, after: Rendered, tmp_path: Path
) -> None:
    """It does not pass by chance."""
    again = changed(made(tmp_path / "again"), nudge)
    side = Side(CASE, NEWER, after, repeats=(again,))
    assert outcome_of(Side(CASE, STACK, before, failing(PROMISE)), side).outcome == BROKEN


def test_what_can_no_longer_run_is_lost(before: Rendered) -> None:
    """A finding, never a skip."""
    gone = replace(CASE, unsupported="bitsandbytes 0.46 or newer is needed")
    lost = outcome_of(Side(CASE, STACK, before), Side(gone, NEWER))
    assert (lost.outcome, lost.is_bad) == (LOST, True)
    assert outcome_of(Side(gone, STACK), Side(CASE, NEWER, before)).outcome == GAINED
    assert outcome_of(Side(gone, STACK), Side(gone, NEWER)).outcome == CANNOT_RUN


def test_what_is_not_the_same_twice_says_nothing(before: Rendered, after: Rendered, tmp_path: Path) -> None:
    """The incumbent rendered once more differs from itself: no upgrade is blamed for that."""
    again = changed(made(tmp_path / "again"), nudge)
    moved = changed(after, scramble)
    found = outcome_of(Side(CASE, STACK, before, repeats=(again,)), Side(CASE, NEWER, moved))
    assert (found.outcome, found.is_bad) == (UNSTEADY, False)
    steady = replace(before, folder=tmp_path / "before")
    found = outcome_of(Side(CASE, STACK, before, repeats=(steady,)), Side(CASE, NEWER, moved))
    assert found.outcome == CHANGED


def only(rendered: Rendered, shot: str) -> Rendered:
    """What is left of a rendering if only one of its shots was asked for."""
    one = rendered.rendering
    return replace(
        rendered,
        rendering=replace(
            one,
            recipes={shot: one.recipes[shot]},
            pictures=tuple(each for each in one.pictures if each.shot == shot),
            fingerprints=tuple(each for each in one.fingerprints if each.shot == shot),
            durations=tuple(each for each in one.durations if each.shot in (None, shot)),
        ),
    )


def test_a_control_of_one_shot_is_held_against_that_shot(before: Rendered, after: Rendered, tmp_path: Path) -> None:
    """What it left out is no difference; what it gave otherwise says that the incumbent is not the same twice."""
    shot = next(iter(before.rendering.recipes))
    same, other = only(made(tmp_path / "same"), shot), only(changed(made(tmp_path / "other"), nudge), shot)
    assert Side(CASE, STACK, before, repeats=(before,), control=same).is_steady
    side = Side(CASE, STACK, before, control=other)
    assert (side.is_steady, side.renderings) == (False, (before.rendering,))
    assert outcome_of(side, Side(CASE, NEWER, changed(after, scramble))).outcome == UNSTEADY
    crashed = replace(same, rendering=replace(same.rendering, crash=CRASH))
    assert outcome_of(replace(side, control=crashed), Side(CASE, NEWER, after)).outcome == UNSTEADY


def test_a_candidate_that_is_not_the_same_twice_is_broken(before: Rendered, after: Rendered, tmp_path: Path) -> None:
    """Where the incumbent is."""
    again = changed(made(tmp_path / "again"), nudge)
    assert outcome_of(Side(CASE, STACK, before), Side(CASE, NEWER, after, repeats=(again,))).outcome == BROKEN


def test_a_crash_that_does_not_come_again_says_nothing(before: Rendered, after: Rendered) -> None:
    """Whichever of the two crashed."""
    crashed = replace(after, rendering=replace(after.rendering, crash=CRASH))
    for repeats in ((crashed, after), (after, crashed)):
        side = Side(CASE, NEWER, repeats[0], repeats=(repeats[1],))
        assert outcome_of(Side(CASE, STACK, before), side).outcome == UNSTEADY
    twice = Side(CASE, NEWER, crashed, repeats=(crashed,))
    assert outcome_of(Side(CASE, STACK, before), twice).outcome == BROKEN


def with_given(rendered: Rendered, **sums: str) -> Rendered:
    stages = tuple(GivenStage(name, sha256, (1,), "bfloat16", "cpu", False) for name, sha256 in sums.items())
    return replace(rendered, rendering=replace(rendered.rendering, given=GivenTake(stages)))


def test_no_stage_hides_another_where_inputs_are_given(before: Rendered, after: Rendered) -> None:
    """The first that differs is T5's; the decoder moved by itself as well, and the denoiser did not."""
    mine = with_given(before, encode="a", denoise="b", decode="c", gone="d")
    theirs = with_given(left_at(changed(after, scramble), T5), encode="A", denoise="b", decode="C")
    found = outcome(mine, theirs)
    assert (found.stage, found.given) == (T5, ("encode", "decode"))
    assert outcome(before, theirs).given == ()


def test_noise_is_drawn_and_not_given(before: Rendered, after: Rendered) -> None:
    """Where torch draws other numbers, it is another noise, and nothing has moved; else somebody made it another."""
    names = (NOISE, of_call(NOISE, SEVERAL))
    mine, theirs = (
        with_given(one, **dict.fromkeys(names, sha256))
        for one, sha256 in ((before, "a"), (changed(after, scramble), "b"))
    )
    assert outcome(mine, theirs).given == names
    drawn = replace(theirs, rendering=replace(theirs.rendering, draws={"float32": (0.5,)}))
    assert outcome(mine, drawn).given == ()


def test_other_noise_of_another_torch_is_drift(before: Rendered, after: Rendered) -> None:
    """Its pictures are others and cannot be compared; what holds them is within its own stack. A check that fails
    there is broken all the same, and where no check can fail, nothing is known."""
    draws = dtype_of(CASE)
    mine, theirs = (
        replace(each, rendering=replace(each.rendering, draws={draws: numbers}))
        for each, numbers in ((before, (0.5, 1.0)), (left_at(changed(after, scramble), LAST), (0.25, 2.0)))
    )
    passed = {ORACLE: Verdict("tiny", "full", ORACLE, PASSED, "It does.")}
    found = outcome_of(Side(CASE, STACK, mine), Side(CASE, NEWER, theirs, passed))
    assert (found.outcome, found.other_noise, found.is_bad) == (DRIFTED, True, False)
    alone = {PROMISE: Verdict("tiny", "full", PROMISE, PASSED, "It is the reference.")}
    assert outcome_of(Side(CASE, STACK, mine), Side(CASE, NEWER, theirs, alone)).outcome == UNSTEADY
    unheld = outcome(mine, theirs)
    assert (unheld.outcome, unheld.other_noise, unheld.is_bad) == (UNSTEADY, True, False)
    assert outcome_of(Side(CASE, STACK, mine), Side(CASE, NEWER, theirs, failing(TWICE))).outcome == BROKEN


def with_memory(rendered: Rendered, loaded: int) -> Rendered:
    memory = rendered.rendering.memory
    assert memory is not None
    return replace(rendered, rendering=replace(rendered.rendering, memory=replace(memory, host_loaded=loaded)))


def test_much_more_memory_is_a_change(before: Rendered, after: Rendered) -> None:
    """Though every pixel is the same; a little more is told, and is none."""
    grown, a_little = with_memory(after, 700_000_000), with_memory(after, 510_000_000)
    before = with_memory(before, 500_000_000)
    assert (outcome(before, grown).outcome, outcome(before, a_little).outcome) == (CHANGED, IDENTICAL)
    memory = outcome(before, a_little).memory
    assert memory is not None
    assert (memory.trend, memory.before, memory.after) == ("worse", 500_000_000, 510_000_000)


def test_more_memory_beside_drift_is_a_change_at_no_stage(before: Rendered, after: Rendered) -> None:
    """It is told first, and the drift as well; that pictures moved is not what is wrong."""
    grown = with_memory(left_at(changed(after, nudge), LAST), 700_000_000)
    found = outcome(with_memory(before, 500_000_000), grown, drift=LIKE_A_NEIGHBOUR)
    assert (found.outcome, found.stage, found.pictures_moved > 0) == (CHANGED, None, True)
    assert found.reason.startswith("it takes more memory (host, loaded): ")
    assert "; its pictures have drifted: " in found.reason


def test_the_same_pictures_by_more_work_have_changed(before: Rendered, after: Rendered) -> None:
    """Floating-point operations are the same in every release; the operators that came are named."""
    work = Work("fox", 3, ((PhaseWork(DENOISE, {"aten.mm": 9}, flops={"aten.mm": 900}),),))
    twice = Work("fox", 3, ((PhaseWork(DENOISE, {"aten.mm": 9, "aten.bmm": 9}, flops={"aten.mm": 1800}),),))
    one, other = with_work(before, work), with_work(after, twice)
    found = outcome(one, other)
    assert (found.outcome, found.is_bad, found.pictures_moved) == (CHANGED, True, 0)
    assert any("aten.bmm" in change for change in found.work)
    assert outcome(other, with_work(after, work)).outcome == IDENTICAL


def test_another_operator_alone_is_told_and_is_no_change(before: Rendered, after: Rendered) -> None:
    """Releases dispatch the same work under other names."""
    work = Work("fox", 3, ((PhaseWork(DENOISE, {"aten.mm": 9}, flops={"aten.mm": 900}),),))
    fused = Work("fox", 3, ((PhaseWork(DENOISE, {"aten.addmm": 9}, flops={"aten.addmm": 900}),),))
    found = outcome(with_work(before, work), with_work(after, fused))
    assert (found.outcome, found.work != ()) == (IDENTICAL, True)


def with_work(rendered: Rendered, work: Work) -> Rendered:
    return replace(rendered, rendering=replace(rendered.rendering, work=work))

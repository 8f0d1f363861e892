"""Tests of the five answers of the first screen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.cases import Case
from fluxgate.compare.difference import StackChange
from fluxgate.judge.verdict import (
    BASELINE,
    CEILING,
    CRASHED,
    EFFECT,
    FAILED,
    NO_DATA,
    NOT_SELECTED,
    PASSED,
    PROMISE,
    TWICE,
    UNSUPPORTED,
    WORK,
    Verdict,
)
from fluxgate.rendering import DECODED, FIRST, Crash
from fluxgate.report.html.answers import (
    CUT_SHORT,
    NOT_SAFE,
    NOTHING,
    SAFE,
    Next,
    Suspicion,
    checked,
    moved,
    next_steps,
    outcome,
    suspected_first,
    suspicions,
)
from fluxgate.report.report import CutShort, Report
from tests.report.made import RUN, changed, of_case, report
from tests.runs import building
from tests.wording import unsaid

CASES = dict(building.CASES)


def steps(told: Report, cases: dict[str, Case] = CASES) -> list[Next]:
    return list(next_steps(told, cases))


def failing(check: str = PROMISE, *, stage: str | None = None) -> list[Verdict]:
    sentence = "Shot 'fox' is 0.912 like full.\n  A line more."
    return changed(of_case("nf4", PASSED), check, status=FAILED, sentence=sentence, stage=stage)


@pytest.mark.parametrize(
    "verdicts, cut_short, expected",
    [
        (of_case("full", PASSED), None, SAFE),
        (failing(), None, NOT_SAFE),
        (of_case("full", CRASHED), None, NOT_SAFE),
        (of_case("full", PASSED), CutShort(1, 3), CUT_SHORT),
        (failing(), CutShort(1, 3), NOT_SAFE),
        (of_case("full", UNSUPPORTED), None, NOTHING),
    ],
)
def test_safe_or_not(verdicts: Iterable[Verdict], cut_short: CutShort | None, expected: object) -> None:
    """A failure is never safe, a run that was cut short neither, and nothing measured is nothing."""
    assert outcome(report(verdicts, run=replace(RUN, cut_short=cut_short))) is expected


def test_what_moved_is_told_case_by_case() -> None:
    """Of each case once: those whose pictures moved first, crashes last; a crash is of a case, not of a check."""
    effect = changed(of_case("offload", PASSED), EFFECT, status=FAILED, sentence="No hook.")
    both = changed(failing(), WORK, status=FAILED, sentence="More work.")
    found = moved(report([*of_case("full", CRASHED, "It ended.\n  Why."), *effect, *both]))
    assert [(one.case_id, one.checks, one.sentence) for one in found] == [
        ("tiny-nf4", (PROMISE, WORK), "Shot 'fox' is 0.912 like full."),
        ("tiny-offload", (EFFECT,), "No hook."),
        ("tiny-full", (), "It ended."),
    ]


def test_the_stage_points_to_the_libraries_at_work_there(tmp_path: Path) -> None:
    """Of all cases that left there; a crash tells what ended the worker."""
    rendering = building.rendering("nf4", tmp_path)
    crash = replace(rendering, strategy="full", crash=Crash("signal", "SIGKILL", "load", ()))
    told = [*of_case("full", CRASHED), *failing(stage=DECODED)]
    failures = report(told).failures
    assert suspicions(failures, {"tiny-nf4": rendering, "tiny-full": crash}, CASES) == (
        Suspicion("diffusers' VAE or torch", f"at the {DECODED}", ("tiny-nf4",)),
        Suspicion("a signal from outside", "during load", ("tiny-full",)),
    )


def test_hooks_are_suspected_where_every_case_that_left_there_has_them(tmp_path: Path) -> None:
    """A case without them that left at the same stage clears them, and is counted with the others."""
    plain, hooked = (building.rendering(name, tmp_path / name) for name in ("nf4", "offload"))
    assert hooked.inventory is not None
    parts = {name: replace(one, hooks={"AlignDevicesHook": 1}) for name, one in hooked.inventory.components.items()}
    hooked = replace(hooked, inventory=replace(hooked.inventory, components=parts))
    offload = changed(of_case("offload", PASSED), PROMISE, status=FAILED, stage=FIRST)
    told = report([*failing(stage=FIRST), *offload])
    (alone,) = suspicions(told.failures, {"tiny-offload": hooked}, CASES)  # nobody knows what the other had
    (both,) = suspicions(told.failures, {"tiny-nf4": plain, "tiny-offload": hooked}, CASES)
    assert ("AlignDevicesHook" in alone.who, "AlignDevicesHook" in both.who) == (True, False)
    assert both.cases == ("tiny-nf4", "tiny-offload")


def test_a_library_that_is_suspected_and_moved_comes_first() -> None:
    """Of those that are not what was accepted; the others stay in their order."""
    changes = [StackChange(name, "1", "2") for name in ("numpy", "pillow", "transformers")]
    suspicion = Suspicion("transformers or tokenizers", "at the prompt embeddings", ("tiny-nf4",))
    ordered = [change.library for change in suspected_first(changes, [suspicion])]
    assert ordered == ["transformers", "numpy", "pillow"]


def test_a_failure_points_to_whom_it_suspects(tmp_path: Path) -> None:
    """Where no stage does."""
    told = changed(of_case("nf4", PASSED), EFFECT, status=FAILED, sentence="No hook.", suspects="accelerate")
    found = suspicions(report(told).failures, {"tiny-nf4": building.rendering("nf4", tmp_path)}, CASES)
    assert found == (Suspicion("accelerate", f"seen by '{EFFECT}'", ("tiny-nf4",)),)


def test_a_failure_that_suspects_nobody_points_to_nobody(tmp_path: Path) -> None:
    """Bytes do not tell who took them."""
    assert suspicions(failing(CEILING), {"tiny-nf4": building.rendering("nf4", tmp_path)}, CASES) == ()


def test_checks_are_counted_by_what_answered_them() -> None:
    """Neither a crash nor missing data is an answer."""
    told = [*failing(), *of_case("full", CRASHED), *changed(of_case("offload", PASSED), TWICE, status=NO_DATA)]
    counts = {one.check: (one.passed, one.answered, one.total) for one in checked(told)}
    assert (counts[PROMISE], counts[TWICE]) == ((1, 2, 3), (1, 1, 3))


def test_what_failed_is_to_be_looked_at_and_repeated() -> None:
    """With the command for the first."""
    look, repeat, *_ = steps(report([*of_case("offload", CRASHED), *failing()]))
    assert (look.case_id, unsaid(look.words, "tiny-nf4", "1 more")) == ("tiny-nf4", [])
    assert repeat.command == "pytest --subject tiny --strategy nf4"


def test_what_changed_can_be_accepted() -> None:
    """That case of that run."""
    *_, accept = steps(report(failing(BASELINE)))
    assert accept.command == "fluxgate accept runs/20260301-tiny --only=tiny-nf4"


def test_what_breaks_its_promise_is_not_offered_to_be_accepted() -> None:
    """It would be refused."""
    both = changed(failing(BASELINE), PROMISE, status=FAILED)
    assert [step.command for step in steps(report(both))] == [None, "pytest --subject tiny --strategy nf4"]


def test_where_nothing_was_accepted_the_whole_run_can_be() -> None:
    """Once its pictures were looked at."""
    (accept,) = steps(report(changed(of_case("full", PASSED), BASELINE, status=NO_DATA)))
    assert accept.command == "fluxgate accept runs/20260301-tiny"


def test_nothing_is_left_to_do_where_everything_was_checked() -> None:
    """In words."""
    (step,) = steps(report(of_case("full", PASSED)))
    assert (step.command, unsaid(step.words, "Nothing")) == (None, [])


def test_what_a_run_left_out_is_left_to_do() -> None:
    """So it does not say beside it that there is nothing to do."""
    (left,) = steps(report([*of_case("full", PASSED), *of_case("nf4", NOT_SELECTED)]))
    assert not unsaid(left.words, "Render", "1 case")


def test_what_a_run_did_not_come_to_is_rendered_first() -> None:
    """By the names that it was to render; before that, nothing is accepted."""
    run = replace(RUN, cut_short=CutShort(1, 3, ("tiny-offload", "tiny-nf4")))
    verdicts = changed(of_case("full", PASSED), BASELINE, status=NO_DATA)
    (first,) = (step for step in steps(report(verdicts, run=run)) if step.command)
    assert first.command == "pytest --subject tiny --strategy offload,nf4"
    assert [step.command for step in steps(report(of_case("full", PASSED), run=run))] == [first.command]

"""Tests of how much was gated, and of the groups of what was not."""

import pytest

from fluxgate.judge.verdict import (
    BASELINE,
    CHECKS,
    CRASHED,
    FAILED,
    KNOWN_FAILURE,
    NO_DATA,
    NOT_SELECTED,
    PASSED,
    PROMISE,
    SPEED,
    STATUSES,
    UNSUPPORTED,
    Verdict,
)
from fluxgate.report.gated import Share, Unanswered, brief, gated_of
from tests.report.made import LONGEST, NO_BASELINE, changed, of_case, verdicts
from tests.wording import unsaid

TOO_FEW = "2 earlier runs; 5 are needed."


def test_a_case_is_gated_once_a_check_could_have_failed() -> None:
    """Passed, failed, crashed and known failures count; the other statuses do not."""
    gated = {status: gated_of(of_case("full", status)).cases.gated for status in STATUSES}
    assert gated == {PASSED: 1, FAILED: 1, CRASHED: 1, KNOWN_FAILURE: 1, UNSUPPORTED: 0, NO_DATA: 0, NOT_SELECTED: 0}


def test_a_crash_answers_no_check() -> None:
    """It says nothing about any of them, known or not."""
    for status in (CRASHED, KNOWN_FAILURE):
        assert gated_of(of_case("full", status)).checks == Share(0, len(CHECKS))
    assert gated_of(of_case("full", FAILED)).checks == Share(len(CHECKS), len(CHECKS))


def test_a_check_counts_if_one_case_answers_it() -> None:
    """And one that applies to no case is not counted at all."""
    some = [*changed(of_case("a", PASSED), PROMISE, status=NO_DATA), *of_case("b", PASSED)]
    assert gated_of(some).checks == Share(len(CHECKS), len(CHECKS))
    assert gated_of(verdict for verdict in some if verdict.check != SPEED).checks.total == len(CHECKS) - 1


def test_every_cell_without_an_answer_is_in_one_group() -> None:
    """Cases that cannot run, cases that were not rendered, checks that nothing answers, and single cells."""
    promise = changed(of_case("c", PASSED), PROMISE, status=NO_DATA, sentence="No floor. It is 0.9.")
    some = [
        *of_case("a", UNSUPPORTED, "a GPU is needed"),
        *of_case("b", NOT_SELECTED, "It was not rendered."),
        *changed(promise, BASELINE, status=NO_DATA, sentence=NO_BASELINE),
        *changed(of_case("d", PASSED), BASELINE, status=NO_DATA, sentence=NO_BASELINE),
    ]
    gated = gated_of(some)
    assert gated.cannot_run == (Unanswered(UNSUPPORTED, "a GPU is needed", ("tiny-a",), CHECKS),)
    assert gated.not_rendered == (Unanswered(NOT_SELECTED, "It was not rendered.", ("tiny-b",), CHECKS),)
    assert gated.unanswered_checks == (Unanswered(NO_DATA, NO_BASELINE, ("tiny-c", "tiny-d"), (BASELINE,)),)
    assert gated.unanswered_cells == (Unanswered(NO_DATA, "No floor.", ("tiny-c",), (PROMISE,)),)


def test_a_case_that_cannot_run_is_one_though_single_checks_were_selected() -> None:
    """The reason of one check is that of the case."""
    some = changed(of_case("a", NOT_SELECTED), PROMISE, status=UNSUPPORTED, sentence="a GPU is needed")
    (group,) = gated_of(some).cannot_run
    assert (group.cases, group.reason, set(group.checks)) == (("tiny-a",), "a GPU is needed", set(CHECKS))


def test_what_was_rendered_is_no_case_that_cannot_run() -> None:
    """Even if not one of its checks could be answered."""
    some = of_case("full", UNSUPPORTED, "Not measured.")
    assert gated_of(some, rendered={"tiny-full"}).cannot_run == ()
    assert gated_of(some, rendered={"tiny-full"}).unanswered_checks == (
        Unanswered(UNSUPPORTED, "Not measured.", ("tiny-full",), CHECKS),
    )


def test_a_check_that_applies_to_nothing_rendered_is_missing() -> None:
    """The cases that it applies to were not rendered: nobody would notice otherwise."""
    some = [*of_case("full", PASSED)[:1], *of_case("nf4", NOT_SELECTED)]
    (group,) = gated_of(some).unanswered_checks
    assert (group.checks, group.cases) == (CHECKS[1:], ())


def test_reasons_are_shared_by_their_first_sentence() -> None:
    """The figures that follow do not tell reasons apart."""
    some = [*of_case("a", NO_DATA, "No floor. It is 0.9."), *of_case("b", NO_DATA, "No floor. It is 0.8.")]
    (group,) = gated_of(some).not_rendered
    assert (group.reason, group.cases) == ("No floor.", ("tiny-a", "tiny-b"))


def test_the_sentence_counts_strategies_of_one_subject_and_cases_of_several() -> None:
    """A strategy may be gated with one subject and not with the other."""
    assert not unsaid(gated_of(verdicts()).sentence, "4 of 6 strategies", f"{len(CHECKS) - 1} of {len(CHECKS)} checks")
    two = [*of_case("full", PASSED), *of_case("full", UNSUPPORTED, subject="grown")]
    assert not unsaid(gated_of(two).sentence, "1 of 2 cases", f"{len(CHECKS)} of {len(CHECKS)} checks")


def test_what_is_missing_says_what_would_provide_it() -> None:
    """One case by its name and reason, checks by their names and reason."""
    some = [verdict for verdict in verdicts() if verdict.strategy in ("full", LONGEST, "int8")]
    longest, unselected, baseline = gated_of(some).missing
    assert not unsaid(longest, LONGEST, "cannot run here", "accelerate 1.9 is needed to do it; this is 1.2")
    assert not unsaid(unselected, "int8 was not selected")
    assert not unsaid(baseline, "'matches its baseline'", NO_BASELINE)


@pytest.mark.parametrize(
    ("needs", "sentence"),
    [
        (["a GPU is needed: A"] * 4, "4 strategies cannot run here: a GPU is needed: A."),
        (
            [
                "a GPU is needed: A",
                "a GPU is needed: B",
                "a GPU is needed: B",
                "gguf is needed to read; it is absent",
            ],
            "4 strategies cannot run here: a GPU is needed (3), gguf is needed (d); fluxgate list says why.",
        ),
    ],
)
def test_cases_that_cannot_run_are_one_sentence(needs: list[str], sentence: str) -> None:
    """Counted by what is needed; a need of a single case names it."""
    some = [verdict for name, need in zip("abcd", needs, strict=True) for verdict in of_case(name, UNSUPPORTED, need)]
    assert gated_of(some).missing == (sentence,)


def test_the_cases_that_a_run_did_not_come_to_are_named() -> None:
    """All of them: they are what must be rendered next; what nobody asked for is counted."""
    due = [verdict for name in "abcde" for verdict in of_case(name, NO_DATA, f"The run was cut short. Run {name}.")]
    rest = [verdict for name in "fghi" for verdict in of_case(name, NOT_SELECTED)]
    cut, unselected = gated_of([*due, *rest]).missing
    assert not unsaid(cut, "a, b, c, d and e", "cut short")
    assert not unsaid(unselected, "4 strategies were not selected")


def test_a_brief_reason_leaves_out_why() -> None:
    """What follows a colon, a semicolon, the full stop, or what is needed."""
    assert brief("a GPU is needed: CPUs are slow") == "a GPU is needed"
    assert brief("gguf is needed to read GGUF files; it is not installed") == "gguf is needed"
    assert brief("It has none.") == "It has none"


def test_no_verdicts_are_nothing_gated() -> None:
    """An empty session does not fail."""
    assert gated_of([]).cases == gated_of([]).checks == Share(0, 0)
    assert gated_of([]).missing == ()


def test_cells_are_named_by_check_and_case() -> None:
    """With the strategies of one subject, and the cases of several."""
    cell = Verdict("tiny", "nf4", PROMISE, NO_DATA, "No floor.")
    gated = gated_of([*of_case("full", PASSED), cell], rendered={"tiny-nf4"})
    assert gated.which(gated.unanswered_cells[0]) == "'keeps its promise to its reference' of nf4"
    gated = gated_of([*of_case("full", PASSED), *of_case("full", PASSED, subject="grown"), cell], rendered={"tiny-nf4"})
    assert gated.which(gated.unanswered_cells[0]) == "'keeps its promise to its reference' of tiny-nf4"

"""Tests of what a team lead asks of a gate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluxgate.report.gate_result import Answer, CaseOutcome, CulpritResult, Unasked, Way
from fluxgate.report.html import gate_answers
from fluxgate.report.report import ReportedGate
from tests.report import gates
from tests.wording import unsaid

RESULT = gates.full_result("20261126-gate", runs={})
PIN = "transformers==4.49.0"


def test_every_answer_and_every_outcome_has_its_sign() -> None:
    """None is left out."""
    assert set(gate_answers.OUTCOMES) == set(Answer)
    assert set(gate_answers.SYMBOLS) == set(CaseOutcome)


@pytest.mark.parametrize(
    ("sentence", "lead"),
    [
        ("Not safe: of 6 cases, 2 changed.", "Of 6 cases, 2 changed."),
        ("The upgrade cannot be resolved: no release fits.", "The upgrade cannot be resolved: no release fits."),
    ],
)
def test_the_lead_does_not_repeat_the_headline(sentence: str, lead: str) -> None:
    """Whatever else stands before a colon stays."""
    assert gate_answers.lead(replace(RESULT, sentence=sentence)) == lead


def test_what_is_not_safe_comes_first() -> None:
    """And what is the same comes last."""
    moved = gate_answers.moved_cases(ReportedGate(RESULT, ()), ())
    assert [one.case.strategy for one in moved] == ["offload", "broken", "nf4", "full"]
    assert [one.pictures for one in moved] == ["5 of 5", "", "0 of 5", "0 of 5"]


def test_the_culprit_has_its_versions_and_the_pin() -> None:
    """With what was seen of it."""
    found = gate_answers.blame(RESULT)
    assert (found.packages, found.pin) == (gates.MOVES[2:], (PIN,))
    assert found.sentences == (gates.CULPRIT.sentence,)


def test_a_culprit_that_nobody_asked_for_is_said_to_have_come_along() -> None:
    """Behind the sentence that names it."""
    unasked = (Unasked("transformers", Way.OLDER, "accelerate 1.10.1 depends on transformers<4.50"),)
    found = gate_answers.blame(replace(RESULT, unasked=unasked))
    assert found.sentences[0] == gates.CULPRIT.sentence
    assert found.sentences[1].startswith("transformers (older: accelerate")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"answer": Answer.NOT_SAFE, "command": "fluxgate gate a==1 --no-culprit"}, "--no-culprit"),
        ({"answer": Answer.NOT_SAFE, "command": "fluxgate gate a=='1"}, "did not finish"),
        ({"answer": Answer.SAFE}, "no case moved"),
        ({"answer": Answer.DRIFT}, "further than it may"),
        ({"answer": Answer.CANNOT_TELL}, "the gate cannot tell"),
        ({"answer": Answer.NOT_SAFE, "failed_stage": "import"}, "'import'"),
    ],
)
def test_where_there_is_no_culprit_it_says_why(changes: dict[str, Any], words: str) -> None:
    """Nobody looked, the search was interrupted, no case moved, or what was seen does not decide."""
    (sentence,) = gate_answers.blame(replace(RESULT, culprit=None, **changes)).sentences
    assert words in sentence


def test_what_could_not_be_told_is_said() -> None:
    """With the suspects."""
    culprit = CulpritResult("not separable", "One of two.", (), suspects=gates.MOVES[:2], unresolved=("It crashed.",))
    found = gate_answers.blame(replace(RESULT, culprit=culprit))
    assert (found.suspects, found.sentences) == (gates.MOVES[:2], ("One of two.", "It crashed."))


def test_the_next_steps_of_a_bad_upgrade() -> None:
    """What the gate says, the first bad case, and how all of it is accepted if it is right."""
    steps = list(gate_answers.next_steps(RESULT, folder="runs/gates/x"))
    assert [step.case_id for step in steps] == [None, "tiny-offload", None]
    assert steps[0].words == RESULT.next
    assert steps[2].command == "fluxgate accept runs/gates/x --approved approvals.json"


def test_a_command_in_the_next_step_can_be_copied() -> None:
    """It is no part of the sentence."""
    command = "fluxgate accept runs/x --because '…'"
    safe = replace(RESULT, cases=(), next=f"Install the candidate, then accept it: {command}", next_command=command)
    (step,) = gate_answers.next_steps(safe, folder="x")
    assert (step.words, step.command) == ("Install the candidate, then accept it.", command)
    (older,) = gate_answers.next_steps(replace(safe, next_command=""), folder="x")
    assert (older.words, older.command) == (safe.next, None)


def test_it_counts_what_was_compared() -> None:
    """Outcomes in the order in which they are told, and pictures."""
    assert gate_answers.tally(RESULT) == (("identical", 1), ("drifted", 1), ("changed", 1), ("broken", 1))
    assert gate_answers.compared(RESULT) == (15, 5)
    assert "--tier all" in gate_answers.tier(RESULT)
    assert not unsaid(gate_answers.tier(replace(RESULT, tier="full,nf4")), "full and nf4")


def test_what_turned_is_told_of_a_case() -> None:
    """Checks and memory; seconds that nobody can decide about, without a reason, are not."""
    (offload,) = (case for case in RESULT.cases if case.strategy == "offload")
    offload = replace(offload, given=("prompt embeddings", "decoded picture"))
    promise, given, figure = gate_answers.turned(offload)
    assert not unsaid(promise, "Fails now", "keeps its promise to its reference")
    assert not unsaid(given, "only the prompt embeddings and decoded picture moved")
    assert not unsaid(figure, "Allocated of denoise", "worse", "1.00 GB more")

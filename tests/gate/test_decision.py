"""Tests of the decision on an upgrade: the answer, its exit code, and what stands out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluxgate.cases import Case
from fluxgate.gate.decision import decide, not_made
from fluxgate.gate.environments.stages import Cause, Stage, StageFailure
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
    Outcome,
)
from fluxgate.rendering import T5
from fluxgate.report.gate_result import Answer, CaseOutcome
from fluxgate.strategies.promise import Promise
from tests.runs.building import SUBJECT, strategy


def case(name: str, **promise: Any) -> Case:
    made = replace(strategy(name), promise=Promise(**promise))
    return Case(SUBJECT, made, "cpu")


FULL, WIDE, OFFLOAD = case("full"), case("full-float32"), case("model-offload")
NF4 = case("nf4", changes_weights=True)
ALL = (FULL, WIDE, OFFLOAD, NF4)


def one(case: Case, outcome: CaseOutcome, **more: Any) -> Outcome:
    return Outcome(case.id, case.subject.name, case.strategy.name, outcome, "for some reason", **more)


@pytest.mark.parametrize(
    ("outcomes", "answer", "code", "strict"),
    [
        ((IDENTICAL, IDENTICAL), Answer.SAFE, 0, 0),
        ((IDENTICAL, FIXED), Answer.SAFE, 0, 0),
        ((IDENTICAL, GAINED), Answer.SAFE, 0, 0),
        ((IDENTICAL, DRIFTED), Answer.DRIFT, 0, 1),
        ((DRIFTED, CHANGED), Answer.NOT_SAFE, 1, 1),
        ((IDENTICAL, BROKEN), Answer.NOT_SAFE, 1, 1),
        ((IDENTICAL, LOST), Answer.NOT_SAFE, 1, 1),
        ((IDENTICAL, UNSTEADY), Answer.CANNOT_TELL, 3, 3),
        ((UNSTEADY, BROKEN), Answer.NOT_SAFE, 1, 1),
        ((CANNOT_RUN, CANNOT_RUN), Answer.CANNOT_TELL, 3, 3),
        ((), Answer.CANNOT_TELL, 3, 3),
    ],
)
def test_the_worst_case_decides(outcomes: tuple[CaseOutcome, ...], answer: Answer, code: int, strict: int) -> None:
    """A case that is lost is a finding, one that cannot run in either stack says nothing."""
    decision = decide([one(each, name) for each, name in zip(ALL, outcomes, strict=False)], ALL)
    assert (decision.answer, decision.exit_code(strict=False), decision.exit_code(strict=True)) == (
        answer,
        code,
        strict,
    )
    assert decision.sentence.lower().startswith(answer.value)


def test_the_stage_is_named() -> None:
    """The one at which most cases left the incumbent."""
    outcomes = [one(FULL, CHANGED, stage=T5), one(NF4, CHANGED, stage=T5), one(WIDE, IDENTICAL)]
    assert T5 in decide(outcomes, ALL).sentence


def test_one_cause_of_all_is_in_the_headline() -> None:
    """A load that fails is one verdict, not one for each case."""
    crashed = [replace(one(each, BROKEN), reason="it crashes during load: no such argument") for each in (FULL, NF4)]
    assert "no such argument" in decide(crashed, ALL).sentence
    other = replace(one(WIDE, BROKEN), reason="it crashes otherwise")
    assert "no such argument" not in decide([*crashed, other], ALL).sentence


@pytest.mark.parametrize("stage", list(Stage))
def test_a_candidate_that_cannot_be_made_is_not_safe(stage: Stage) -> None:
    """Its cause is in the sentence."""
    decision = not_made(StageFailure(stage, Cause.CONFLICT, "a needs b<2, and c needs b>=2.", ""))
    assert (decision.answer, "a needs b<2" in decision.sentence) == (Answer.NOT_SAFE, True)


def test_what_stands_out_is_told() -> None:
    """Quantized cases alone; bfloat16 alone; shots with several pictures alone."""
    quantized = decide([one(FULL, IDENTICAL), one(NF4, CHANGED, shots=("fox",))], ALL)
    narrow = decide([one(FULL, CHANGED, shots=("fox", "pair")), one(WIDE, IDENTICAL)], ALL)
    several = decide([one(FULL, CHANGED, shots=("pair",)), one(OFFLOAD, CHANGED, shots=("pair",))], ALL)
    offloaded = decide([one(FULL, IDENTICAL), one(OFFLOAD, CHANGED, shots=("fox",))], ALL)
    assert [decision.contrasts for decision in (quantized, narrow, several, offloaded)] == [
        ("Only quantized or cast cases moved.",),
        ("bfloat16 moved and float32 did not: a kernel or a layout, not the arithmetic.",),
        ("Only shots with several pictures moved.",),
        ("Only offloaded cases moved.",),
    ]


def test_a_kernel_is_not_suspected_where_memory_holds_something_else() -> None:
    """Weights in another dtype move bfloat16 alone, too, and that is no matter of kernels."""
    moved = one(FULL, CHANGED, shots=("fox",), inventory=("text_encoder_2: bfloat16 3.8 MB → 2.5 MB",))
    assert decide([moved, one(WIDE, IDENTICAL)], ALL).contrasts == ()


def test_nothing_stands_out_where_nothing_moved() -> None:
    """Nor where everything did."""
    assert decide([one(each, IDENTICAL) for each in ALL], ALL).contrasts == ()
    assert decide([one(each, CHANGED, shots=("fox",)) for each in ALL], ALL).contrasts == ()

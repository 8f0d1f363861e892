"""Tests of the decision on an upgrade: the answer, its exit code, and what stands out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluxgate.cases import Case, matrix
from fluxgate.gate.decision import _dtype, decide, not_made
from fluxgate.gate.environments.stages import Cause, Stage, StageFailure
from fluxgate.rendering import T5
from fluxgate.report.gate_result import Answer, CaseOutcome, CaseResult
from fluxgate.strategies.available import strategies
from fluxgate.strategies.effects import Stored
from fluxgate.strategies.promise import Moves, Promise
from tests.runs.building import MACHINE, STACK, SUBJECT, strategy
from tests.wording import unsaid


def case(name: str, **promise: Any) -> Case:
    made = replace(strategy(name), promise=Promise(**promise))
    return Case(SUBJECT, made, "cpu")


FULL, WIDE, OFFLOAD = case("plain"), case("wide", effects=(Stored("float32"),)), case("moving", moves=Moves())
NF4 = case("four-bit", changes_weights=True)
ALL = (FULL, WIDE, OFFLOAD, NF4)


def one(case: Case, outcome: str, **more: Any) -> CaseResult:
    made = CaseResult(case.id, case.subject.name, case.strategy.name, CaseOutcome(outcome), "for some reason")
    return replace(made, **{"pictures_compared": 2, **more})


@pytest.mark.parametrize(
    ("outcomes", "answer", "code", "strict"),
    [
        (("identical", "identical"), Answer.SAFE, 0, 0),
        (("identical", "fixed"), Answer.SAFE, 0, 0),
        (("identical", "gained"), Answer.SAFE, 0, 0),
        (("identical", "drifted"), Answer.DRIFT, 0, 1),
        (("drifted", "changed"), Answer.NOT_SAFE, 1, 1),
        (("identical", "broken"), Answer.NOT_SAFE, 1, 1),
        (("identical", "lost"), Answer.NOT_SAFE, 1, 1),
        (("identical", "unsteady"), Answer.CANNOT_TELL, 3, 3),
        (("unsteady", "broken"), Answer.NOT_SAFE, 1, 1),
        (("cannot run", "cannot run"), Answer.CANNOT_TELL, 3, 3),
        ((), Answer.CANNOT_TELL, 3, 3),
    ],
)
def test_the_worst_case_decides(outcomes: tuple[str, ...], answer: Answer, code: int, strict: int) -> None:
    """A case that is lost is a finding, one that cannot run in either stack says nothing."""
    decision = decide([one(each, name) for each, name in zip(ALL, outcomes, strict=False)], ALL)
    assert (decision.answer, decision.exit_code(strict=False), decision.exit_code(strict=True)) == (
        answer,
        code,
        strict,
    )
    assert decision.sentence.lower().startswith(answer.value)


def test_what_crashes_in_both_stacks_is_not_the_same_to_the_pixel() -> None:
    """It says nothing of an upgrade, and of a stack in which nothing renders nothing can be told."""
    crashing = replace(one(FULL, "identical", pictures_compared=0), reason="it crashes in both: no such file")
    decision = decide([crashing, one(WIDE, "identical")], ALL)
    assert (decision.answer, "1 crashes in both stacks" in decision.sentence) == (Answer.SAFE, True)
    nothing = decide([crashing], ALL)
    assert (nothing.answer, "no such file" in nothing.sentence) == (Answer.CANNOT_TELL, True)


def test_cases_are_counted_in_plain_words() -> None:
    """One kind in one clause, several after the number of cases."""
    changed, broken, same = one(FULL, "changed"), one(NF4, "broken"), one(WIDE, "identical")
    assert not unsaid(decide([changed, same], ALL).sentence, "Not safe", "1 of 2", "changed")
    assert not unsaid(
        decide([changed, broken, same], ALL).sentence, "Not safe", "3 cases", "1 has changed", "1 is broken"
    )
    assert decide([one(FULL, "fixed"), same], ALL).sentence == (
        "Safe: of 2 cases, 1 is the same to the pixel and the byte and 1 is fixed."
    )


def test_the_stage_is_named() -> None:
    """The one at which most cases left the incumbent."""
    outcomes = [
        one(FULL, "changed", stage=T5),
        one(NF4, "changed", stage=T5),
        one(WIDE, "identical"),
    ]
    assert T5 in decide(outcomes, ALL).sentence


def test_one_cause_of_all_is_in_the_headline() -> None:
    """A load that fails is one verdict, not one for each case."""
    crashed = [replace(one(each, "broken"), reason="it crashes during load: no such argument") for each in (FULL, NF4)]
    assert "no such argument" in decide(crashed, ALL).sentence
    other = replace(one(WIDE, "broken"), reason="it crashes otherwise")
    most = decide([*crashed, other], ALL).sentence
    assert not unsaid(most, "3 of 3 cases are broken", "most often", "crashes during load: no such argument")
    assert not unsaid(decide([crashed[0], other], ALL).sentence, "for instance", "crashes during load")
    rendered = [replace(one(each, "changed", stage=T5), reason="it moved") for each in (FULL, NF4)]
    assert decide([*rendered, other], ALL).sentence.endswith(f"first at the {T5}.")


@pytest.mark.parametrize("stage", list(Stage))
def test_a_candidate_that_cannot_be_made_is_not_safe(stage: Stage) -> None:
    """Its cause is in the sentence."""
    decision = not_made(StageFailure(stage, Cause.CONFLICT, "a needs b<2, and c needs b>=2.", ""))
    assert (decision.answer, "a needs b<2" in decision.sentence) == (Answer.NOT_SAFE, True)


def test_what_stands_out_is_told() -> None:
    """Quantized cases alone; bfloat16 alone; shots with several pictures alone."""
    quantized = decide([one(FULL, "identical"), one(NF4, "changed", shots=("fox",))], ALL)
    narrow = decide([one(FULL, "changed", shots=("fox", "pair")), one(WIDE, "identical")], ALL)
    several = decide([one(FULL, "changed", shots=("pair",)), one(OFFLOAD, "changed", shots=("pair",))], ALL)
    offloaded = decide([one(FULL, "identical"), one(OFFLOAD, "changed", shots=("fox",))], ALL)
    facts = (
        ("quantized or cast",),
        ("bfloat16 moved", "float32 did not", "kernel"),
        ("several pictures",),
        ("offloaded",),
    )
    for decision, expected in zip((quantized, narrow, several, offloaded), facts, strict=True):
        assert [unsaid(contrast, *expected) for contrast in decision.contrasts] == [[]]


def test_a_name_says_nothing_about_a_strategy() -> None:
    """Contrasts go by what a strategy declares, which a stranger's does as well as ours."""
    named = [case("our-float32"), case("offload-nothing"), case("nf4-of-old")]
    outcomes = [one(FULL, "changed", shots=("fox",)), one(named[0], "identical")]
    assert decide(outcomes, [FULL, *named]).contrasts == ()
    for other in named[1:]:
        outcomes = [one(other, "changed", shots=("fox",)), one(FULL, "identical")]
        assert decide(outcomes, [FULL, *named]).contrasts == ()


def test_of_what_ships_one_strategy_computes_in_float32() -> None:
    """Whichever subject it is for."""
    shipped = matrix([SUBJECT], strategies(), machine=MACHINE, stack=STACK)
    assert [each.strategy.name for each in shipped if _dtype(each) == "float32"] == ["full-float32"]


def test_a_kernel_is_not_suspected_where_memory_holds_something_else() -> None:
    """Weights in another dtype move bfloat16 alone, too, and that is no matter of kernels."""
    moved = one(FULL, "changed", shots=("fox",), inventory=("text_encoder_2: bfloat16 3.8 MB → 2.5 MB",))
    assert decide([moved, one(WIDE, "identical")], ALL).contrasts == ()


def test_noise_that_is_rounded_otherwise_is_not_taken_for_a_kernel() -> None:
    """torch 2.13.0 draws the bfloat16 numbers of 2.12.1 but for last bits; float32 is the same."""
    moved = one(FULL, "drifted", shots=("fox",), given=("noise drawn", "noise drawn, several pictures"))
    decision = decide([moved, one(WIDE, "identical")], ALL)
    rounded = "torch rounds the noise that it draws in bfloat16 otherwise"
    assert [unsaid(one, "bfloat16 moved", "float32 did not", rounded) for one in decision.contrasts] == [[]]


def test_the_only_case_is_not_counted() -> None:
    """`1 of 1 case` makes a reader count."""
    for outcome, words in (("drifted", "the case has drifted"), ("broken", "the case is broken")):
        assert words in decide([one(FULL, outcome)], ALL).sentence


@pytest.mark.parametrize("inventory", [(), ("transformer: its weights change",)])
def test_an_inventory_is_called_the_same_only_where_it_is(inventory: tuple[str, ...]) -> None:
    """Codes of weights may be others and stand for the same numbers."""
    said = decide([one(NF4, "drifted", inventory=inventory)], ALL).sentence
    assert ("inventory" in said, "noise levels are the same" in said) == (not inventory, True)


def test_other_noise_is_not_within_what_was_measured() -> None:
    """It is told as what it is, and is no matter of kernels; nothing is known of a case that nothing else holds."""
    moved = one(FULL, "drifted", shots=("fox",), other_noise=True)
    decision = decide([moved, one(WIDE, "identical")], ALL)
    assert (decision.answer, decision.contrasts) == (Answer.DRIFT, ())
    assert "other noise" in decision.sentence
    assert "measured" not in decision.sentence
    both = decide([moved, one(WIDE, "drifted", shots=("fox",))], ALL).sentence
    assert not unsaid(both, "2 of 2 cases have drifted", "1 because torch draws other noise", "1 within")
    unheld = decide([replace(moved, outcome=CaseOutcome.UNSTEADY, reason="nothing holds it")], ALL)
    assert (unheld.answer, f"nothing holds it ({FULL.id})" in unheld.sentence) == (Answer.CANNOT_TELL, True)


def test_nothing_stands_out_where_nothing_moved() -> None:
    """Nor where everything did."""
    assert decide([one(each, "identical") for each in ALL], ALL).contrasts == ()
    assert decide([one(each, "changed", shots=("fox",)) for each in ALL], ALL).contrasts == ()

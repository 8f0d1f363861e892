"""Tests of several machines side by side: the answer of each, and where they differ."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluxgate.judge.verdict import CRASHED, FAILED, NO_DATA, NOT_SELECTED, PASSED, PROMISE, TWICE, UNSUPPORTED, Verdict
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import Answer, CaseOutcome, Move, Unasked, Way
from fluxgate.report.machines import (
    GOOD,
    column_of_gate,
    column_of_run,
    headline,
    machines_markdown,
    refuse_other_upgrades,
)
from tests.report.gates import result
from tests.runs.building import MACHINE
from tests.wording import unsaid

H100, L4 = (replace(MACHINE, name=name, id=name.lower()) for name in ("H100", "L4"))
SAFE = {"answer": Answer.SAFE, "culprit": None}


def verdict(strategy: str, check: str, status: str, sentence: str = "It is so.") -> Verdict:
    return Verdict("tiny", strategy, check, status, sentence)


def safe(**more: Any) -> Any:
    """A gate that found nothing, on an H100."""
    (case,) = result().cases
    fine = replace(case, outcome=CaseOutcome.IDENTICAL, reason="nothing moved")
    return result(machine=H100, cases=(fine,), **SAFE, **more)


def test_the_answer_is_told_by_machine() -> None:
    """'Safe on one, not safe on the other', with who is to blame there and a row for the case that differs."""
    columns = [column_of_gate(safe()), column_of_gate(result(machine=L4))]
    assert headline(columns) == "Safe on H100, not safe on L4."
    text = machines_markdown(columns)
    assert "| case | H100 | L4 |" in text
    assert "| tiny-full | identical | changed |" in text
    assert "- L4: It did." in text
    assert not unsaid(text, "on every machine: 0 of 1")


def test_culprits_are_told_apart() -> None:
    """One line where the same is to blame everywhere, else a line for each machine."""
    culprit = result().culprit
    assert culprit is not None
    other = replace(culprit, packages=(Move("torch", "1", "2"),), sentence="Torch did.")
    same = machines_markdown([column_of_gate(result(machine=machine)) for machine in (H100, L4)])
    assert "- H100 and L4: It did." in same
    text = machines_markdown([column_of_gate(result(machine=H100)), column_of_gate(result(machine=L4, culprit=other))])
    assert "- H100: It did." in text
    assert "- L4: Torch did." in text


def test_a_culprit_that_nobody_asked_for_is_said_to_have_come_along() -> None:
    culprit = result().culprit
    assert culprit is not None
    unasked = (Unasked(culprit.packages[0].package, Way.OLDER, ""),)
    gated = result(machine=H100, unasked=unasked)
    assert gated.unasked_blame
    assert gated.unasked_blame in (column_of_gate(gated).culprit or "")


def test_gates_of_other_upgrades_are_refused() -> None:
    """Both are named."""
    refuse_other_upgrades([safe(), result()])
    with pytest.raises(Refusal, match=r"transformers 4\.56\.2.*torch"):
        refuse_other_upgrades([result(), result(moves=(Move("torch", "1", "2"),))])


def test_a_run_is_told_by_what_is_red() -> None:
    """Which checks fail, or that it crashed; what was not selected has no cell."""
    found = column_of_run(
        H100,
        [
            verdict("full", TWICE, PASSED),
            verdict("nf4", TWICE, PASSED),
            verdict("nf4", PROMISE, FAILED, "It is 0.9 like full."),
            verdict("fp4", TWICE, CRASHED),
            verdict("int8", TWICE, NO_DATA),
            verdict("gguf", TWICE, UNSUPPORTED),
            verdict("staged", TWICE, NOT_SELECTED),
        ],
    )
    assert found.answer == "failures in 2 cases"
    assert dict(found.cells) == {
        "tiny-full": PASSED,
        "tiny-nf4": f"{FAILED}: {PROMISE}",
        "tiny-fp4": CRASHED,
        "tiny-int8": NO_DATA,
        "tiny-gguf": UNSUPPORTED,
    }
    assert found.details == ("tiny-nf4: It is 0.9 like full.", "tiny-fp4: It is so.")


def test_a_run_that_was_cut_short_is_not_without_failures() -> None:
    """Although nothing of it is red."""
    assert column_of_run(H100, [verdict("full", TWICE, PASSED)]).answer == GOOD
    assert column_of_run(H100, [verdict("full", TWICE, PASSED)], cut_short=True).answer != GOOD


def test_two_machines_of_one_name_are_told_apart() -> None:
    """By their ids."""
    columns = [column_of_run(replace(H100, id=f"h100-torch{n}"), [verdict("full", TWICE, PASSED)]) for n in (1, 2)]
    assert "h100-torch1 and h100-torch2" in machines_markdown(columns)


def test_what_machines_say_is_escaped() -> None:
    """A run may be a stranger's."""
    text = machines_markdown([column_of_run(H100, [verdict("nf4", TWICE, FAILED, "<script>|`x`")])])
    assert "<script>" not in text

"""Tests of what a gate said of a row, held against what it must say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluxgate.gate.environments.stages import Cause, Stage, StageFailure
from fluxgate.gate.replays.played import Status, played, unmade
from fluxgate.gate.replays.rows import Expected
from fluxgate.report.gate_result import Answer, CaseOutcome
from tests.gate.replays.made import BROKEN, NEIGHBOUR, PILLOW_UP, REGRESSION, T5_UP, held


def test_all_that_was_expected() -> None:
    """The result has the stage, the cases, the culprit with its versions, and what finding it took."""
    result = played(REGRESSION, held(BROKEN))
    assert (result.status, result.differences) == (Status.AS_EXPECTED, ())
    assert (result.answer, result.stage, result.cases) == ("not safe", "load", {"full": "broken"})
    assert (result.culprit, result.environments) == (("transformers 4.56.2 → 4.57.0",), 3)


@pytest.mark.parametrize(
    "expected, word",
    [
        ({"stage": "prompt embeddings"}, "prompt embeddings"),
        ({"cases": {"full": "changed"}}, "broken"),
        ({"cases": {"staged": "broken"}}, "not rendered"),
        ({"reason": "out of memory"}, "out of memory"),
        ({"culprit": ("pillow",)}, "pillow"),
        ({"culprit": ("transformers", "pillow")}, "pillow"),
    ],
)
def test_each_difference_is_wrong(expected: dict[str, Any], word: str) -> None:
    """And said in a sentence of its own."""
    row = replace(REGRESSION, expected=replace(REGRESSION.expected, **expected))
    result = played(row, held(BROKEN))
    assert result.status is Status.WRONG
    (difference,) = result.differences
    assert word in difference


def test_nobody_is_named_beside_the_culprit() -> None:
    """Unless the resolver does not let it move alone, and the row says so."""
    both = held(BROKEN, culprit=(T5_UP, PILLOW_UP))
    tied = replace(REGRESSION, expected=replace(REGRESSION.expected, tied=("pillow",)))
    assert played(REGRESSION, both).status is Status.WRONG
    assert played(tied, both).status is Status.AS_EXPECTED


def test_a_regression_that_is_let_pass_is_wrong() -> None:
    """Whatever else was expected need not be said then."""
    result = played(REGRESSION, held(answer=Answer.SAFE, culprit=()))
    assert (result.status, len(result.differences)) == (Status.WRONG, 1)


def test_a_harmless_upgrade_that_is_not_let_pass_is_wrong() -> None:
    """A false alarm costs as much trust as a miss."""
    assert played(NEIGHBOUR, held(BROKEN)).status is Status.WRONG
    assert played(NEIGHBOUR, held(answer=Answer.SAFE, culprit=())).status is Status.AS_EXPECTED


def test_drift_is_not_safe_unless_it_is_expected() -> None:
    """A row says which of the two it must be."""
    drifted = held(answer=Answer.DRIFT, culprit=())
    with_drift = replace(NEIGHBOUR, expected=Expected(Answer.DRIFT))
    assert played(NEIGHBOUR, drifted).status is Status.WRONG
    assert played(with_drift, drifted).status is Status.AS_EXPECTED


def test_red_good_pins_are_wrong() -> None:
    """A bad stack proves nothing where the good one is red too."""
    result = played(REGRESSION, held(BROKEN), faults=["full crashes (no)"])
    assert result.status is Status.WRONG
    assert "full crashes" in result.differences[0]


def test_the_stage_is_that_of_most_cases() -> None:
    """A phase in which a case crashes counts as one."""
    changed = replace(BROKEN, outcome=CaseOutcome.CHANGED, crashed_during=None, stage="prompt embeddings")
    assert played(REGRESSION, held(BROKEN, changed, changed)).stage == "prompt embeddings"


def test_what_cannot_be_installed_is_no_verdict() -> None:
    """It says nothing about the gate; good pins that cannot be imported do."""
    gone = StageFailure.of(Stage.INSTALL, Cause.NO_SUCH_VERSION, "transformers 4.57.0 does not exist.")
    broken = StageFailure.of(Stage.IMPORT, Cause.NOT_IMPORTED, "diffusers cannot be imported.")
    assert unmade(REGRESSION, gone).status is Status.NOT_INSTALLED
    assert unmade(REGRESSION, broken).status is Status.WRONG

"""Tests of answers that are not the same twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fluxgate.gate.culprit.outcomes import (
    BAD,
    FAILED,
    FLAKY,
    GOOD,
    UNRESOLVABLE,
    Outcome,
    Result,
    confirmed,
    settled,
    trial,
)
from fluxgate.report.gate_result import Move
from tests.wording import unsaid


def answers(*outcomes: Outcome) -> tuple[Callable[[int], Result[int]], list[int]]:
    """A probe that gives these in turn, and the attempts that it was asked for."""
    asked: list[int] = []

    def ask(attempt: int) -> Result[int]:
        asked.append(attempt)
        return Result(outcomes[attempt - 1], evidence=attempt)

    return ask, asked


@pytest.mark.parametrize(
    "given, outcome, attempts",
    [
        ((GOOD,), GOOD, [1]),
        ((BAD,), BAD, [1]),
        ((FAILED,), FAILED, [1]),
        ((UNRESOLVABLE,), UNRESOLVABLE, [1]),
        ((FLAKY, BAD, BAD), BAD, [1, 2, 3]),
        ((FLAKY, GOOD, GOOD), GOOD, [1, 2, 3]),
        ((FLAKY, BAD, GOOD), FLAKY, [1, 2, 3]),
        ((FLAKY, GOOD, FLAKY), FLAKY, [1, 2, 3]),
        ((FLAKY, FLAKY), FLAKY, [1, 2]),
        ((FLAKY, FAILED), FLAKY, [1, 2]),
    ],
)
def test_what_is_flaky_is_repeated(given: tuple[Outcome, ...], outcome: Outcome, attempts: list[int]) -> None:
    """Two repeated answers that agree settle it; nothing else is asked for more than once."""
    ask, asked = answers(*given)
    assert settled(ask).outcome is outcome
    assert asked == attempts


@pytest.mark.parametrize(
    "given, outcome",
    [
        ((BAD, BAD), BAD),
        ((BAD, GOOD), FLAKY),
        ((BAD, FAILED), FLAKY),
        ((GOOD, GOOD), GOOD),
        ((FLAKY, BAD, BAD), BAD),
        ((FLAKY, FLAKY), FLAKY),
    ],
)
def test_what_is_to_be_blamed_is_bad_twice(given: tuple[Outcome, ...], outcome: Outcome) -> None:
    """An answer that does not come again is flaky, with what came instead."""
    result = confirmed(answers(*given)[0], lambda each: each.outcome)
    assert result.outcome is outcome
    assert bool(result.why) == (outcome is FLAKY and given[0] is not FLAKY)


def test_what_counts_as_the_same_is_for_the_caller_to_say() -> None:
    """Bad in another way may be as good as not bad."""
    bad = answers(BAD, BAD)[0]
    result = confirmed(bad, lambda each: GOOD if each.evidence == 2 else each.outcome)
    assert (result.outcome, unsaid(result.why, "bad at first", "in another way")) == (FLAKY, [])


def test_a_trial_is_the_same_in_any_order() -> None:
    """So that its result is found again."""
    one, other = Move("a", "1", "2"), Move("b", "1", "2")
    assert trial([one, other]) == trial([other, one])
    assert trial([one]) != trial([one], attempt=2) != trial([other], attempt=2)

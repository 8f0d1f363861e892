"""Tests of asking for environments: once each, announced, and within a limit."""

from __future__ import annotations

import pytest

from fluxgate.gate.culprit.outcomes import BAD, FAILED, FLAKY, GOOD, UNRESOLVABLE, Outcome, Result, Trial, trial
from fluxgate.gate.culprit.prober import MOST_UNRESOLVABLE, Announcement, LimitReached, Prober
from tests.gate.culprit.worlds import move
from tests.wording import unsaid

A, B, C = move("a"), move("b"), move("c")


def prober(outcome: Outcome = GOOD, most: int = 3) -> tuple[Prober[int], list[Announcement]]:
    said: list[Announcement] = []
    return Prober(lambda trial: Result(outcome, seconds=2.0), report=said.append, most=most, ends=[[], [A, B]]), said


@pytest.mark.parametrize("outcome, number", [(GOOD, 1), (BAD, 1), (FAILED, 1), (FLAKY, 1), (UNRESOLVABLE, 0)])
def test_an_environment_counts_once(outcome: Outcome, number: int) -> None:
    """However often it is asked for; but for one that the resolver refuses, which never becomes one."""
    asking, _ = prober(outcome)
    for _ in range(3):
        assert asking.result([A]).outcome is outcome
    assert (asking.environments, asking.left) == (number, 3 - number)


def test_the_ends_are_no_further_environments() -> None:
    """They may be asked for beyond the limit, in any order of their moves."""
    asking, _ = prober(most=0)
    assert (asking.result([]).outcome, asking.result([B, A]).outcome, asking.environments) == (GOOD, GOOD, 0)


def test_no_more_are_tried_than_may_be() -> None:
    """What is known already can still be asked for."""
    asking, _ = prober(most=2)
    asking.result([A]), asking.result([B])
    with pytest.raises(LimitReached):
        asking.result([C])
    assert asking.result([A]).outcome is GOOD


def test_a_resolver_that_always_refuses_is_not_asked_for_ever() -> None:
    """There are more sets of packages than anyone waits for."""
    asking, _ = prober(UNRESOLVABLE)
    for number in range(MOST_UNRESOLVABLE):
        asking.result([move(str(number))])
    with pytest.raises(LimitReached):
        asking.result([A])


def test_what_is_known_is_neither_probed_nor_announced() -> None:
    """It counts, so that a search that goes on has no more environments than one that was not interrupted."""
    known, said = {trial([A]): Result[int](BAD)}, list[Announcement]()

    def refuse(trial: Trial) -> Result[int]:
        raise AssertionError("it was probed")

    asking = Prober(refuse, results=known, report=said.append, most=3)
    assert (asking.result([A]).outcome, asking.environments, said) == (BAD, 1, [])


def test_an_announcement_names_what_is_less() -> None:
    """What was added to the incumbent, or what was left out of the candidate."""
    said: list[Announcement] = []
    asking = Prober[int](
        lambda trial: Result(GOOD), report=said.append, most=9, ends=[[], [A, B, C]], candidate=[A, B, C]
    )
    for moves in ([], [A], [A, B], [A, B, C]):
        asking.result(moves)
    assert [line.sentence.partition(": ")[2] for line in said] == [
        "the incumbent.",
        "the incumbent with a 1 → 2.",
        "the candidate without c 1 → 2.",
        "the candidate.",
    ]


def test_an_announcement_says_what_comes() -> None:
    """Which environment it is, how many more there are at most, how long one takes, and what moves in it."""
    asking, said = prober(BAD)
    asking.result([A])
    asking.result([C, B])
    asking.confirmed([C, B], lambda result: result.outcome)
    asking.result([])
    expected = (
        ("Environment 1", "at most 2 more", "incumbent with a 1 → 2"),
        ("Environment 2", "at most 1 more", "2.00 s each", "incumbent with b 1 → 2 and c 1 → 2"),
        ("Once more", "2.00 s each", "incumbent with b 1 → 2 and c 1 → 2"),
        ("To confirm", "2.00 s each", "the incumbent."),
    )
    assert [unsaid(line.sentence, *facts) for line, facts in zip(said, expected, strict=True)] == [[]] * 4
    assert [(line.number, line.left) for line in said] == [(1, 2), (2, 1), (None, 1), (None, 1)]


@pytest.mark.parametrize(("seconds", "words"), [(0.002, "To confirm: the candidate."), (2.0, "(about 2.00 s each)")])
def test_an_estimate_is_told_where_it_is_one(seconds: float, words: str) -> None:
    """What was only looked up took no time, and says nothing about what comes."""
    said: list[Announcement] = []
    asking: Prober[str] = Prober(
        lambda trial: Result(GOOD, seconds=seconds), report=said.append, most=3, ends=[[], [A]], candidate=[A]
    )
    asking.result([]), asking.result([A])
    assert words in said[-1].sentence

"""What a probed environment can give, and how one that is not the same twice is told from one that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from fluxgate.report.gate_result import Move

Evidence = TypeVar("Evidence")

ATTEMPTS = 3  # how often one environment is probed at most


class Outcome(StrEnum):
    """A closed list; only good and bad judge the packages that have moved."""

    GOOD = "good"
    BAD = "bad"
    FLAKY = "flaky"  # not the same twice
    UNRESOLVABLE = "unresolvable"  # the resolver knows no such environment
    FAILED = "failed"  # the environment could not be made


GOOD, BAD, FLAKY, UNRESOLVABLE, FAILED = Outcome
JUDGED = (GOOD, BAD)


@dataclass(frozen=True)
class Result(Generic[Evidence]):
    """What one probe gave."""

    outcome: Outcome
    evidence: Evidence | None = None  # what makes it bad; it is handed through, and compared for equality
    why: str = ""  # a clause without a full stop: why it is neither good nor bad
    seconds: float | None = None  # what it took


@dataclass(frozen=True)
class Trial:
    """One question to a probe: the incumbent with these moves, and how often it was asked, this time included.

    A further attempt must be rendered anew: it is there to see whether it comes out the same."""

    moves: tuple[Move, ...]  # by package
    attempt: int = 1


Probe = Callable[[Trial], Result[Evidence]]


def trial(moves: Iterable[Move], attempt: int = 1) -> Trial:
    """The same question for the same moves, in whatever order they come."""
    return Trial(tuple(sorted(moves, key=lambda move: move.package)), attempt)


def settled(ask: Callable[[int], Result[Evidence]]) -> Result[Evidence]:
    """The first answer; one that says flaky is asked again, and holds only if two more answers agree."""
    first = ask(1)
    if first.outcome is not FLAKY:
        return first
    second = ask(2)
    if second.outcome not in JUDGED:
        return first
    return second if ask(ATTEMPTS).outcome is second.outcome else first


def confirmed(
    ask: Callable[[int], Result[Evidence]], outcome_of: Callable[[Result[Evidence]], Outcome]
) -> Result[Evidence]:
    """The settled answer if a second one counts as the same, else one that says flaky and why."""
    answer = settled(ask)
    again = ask(2)  # where the first said flaky, the second has agreed with the third
    if answer.outcome is FLAKY or outcome_of(again) is outcome_of(answer):
        return answer
    how = f"{again.outcome} when repeated" if again.outcome is not answer.outcome else "in another way when repeated"
    return Result(FLAKY, answer.evidence, f"it was {answer.outcome} at first and {how}")

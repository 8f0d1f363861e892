"""The pieces of a finding's sentences: moves, environments, and why one of these could not be judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fluxgate.gate.culprit.outcomes import BAD, FAILED, FLAKY, GOOD, UNRESOLVABLE, Evidence, Result
from fluxgate.judge.sentences import listed
from fluxgate.report.gate_result import Move

MOST_NAMED = 8
VERBS = {
    GOOD: "passes",
    BAD: "fails",
    FLAKY: "is not the same twice",
    UNRESOLVABLE: "cannot be resolved",
    FAILED: "could not be made",
}


def moved(moves: Iterable[Move]) -> str:
    """`transformers 4.56.2 → 4.57.0 and tokenizers 0.22.0 → 0.22.2`."""
    return listed(map(str, moves), MOST_NAMED)


def packages(moves: Iterable[Move]) -> str:
    """The same without versions."""
    return listed((move.package for move in moves), MOST_NAMED)


def environment(added: Sequence[Move], *, left_out: Sequence[Move] | None) -> str:
    """By what was added to the incumbent, or left out of the candidate, whichever is less.

    left_out: None where it is no part of the candidate."""
    if not added:
        return "the incumbent"
    if left_out is None or 0 < len(added) <= len(left_out):
        return f"the incumbent with {moved(added)}"
    return f"the candidate without {moved(left_out)}" if left_out else "the candidate"


def outcome(place: str, result: Result[Evidence]) -> str:
    """`The incumbent with … is not the same twice: two pictures differ.`"""
    why = f": {result.why}" if result.why else ""
    return f"{place[0].upper()}{place[1:]} {VERBS[result.outcome]}{why}."


def not_tried(place: str) -> str:
    """What is said of an environment that must be good because a larger one is."""
    return f"{place[0].upper()}{place[1:]} was not tried; a larger environment that holds it passes."


def counted(items: Sequence[object]) -> str:
    """Few in a word, many as a number."""
    return ("no", "one", "two", "three", "four")[len(items)] if len(items) < 5 else str(len(items))

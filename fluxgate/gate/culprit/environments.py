"""The environments between incumbent and candidate, named by the groups that have moved in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from fluxgate.gate.culprit import words
from fluxgate.gate.culprit.moves import Chosen, Upgrade
from fluxgate.gate.culprit.narrowing import Inferring
from fluxgate.gate.culprit.outcomes import BAD, Evidence, Outcome, Result, trial
from fluxgate.gate.culprit.prober import Prober
from fluxgate.report.gate_result import Move


def _outcome(result: Result[Evidence]) -> Outcome:
    return result.outcome


@dataclass(frozen=True)
class Environments(Generic[Evidence]):
    """Asks a prober about sets of groups, each with all that it needs."""

    upgrade: Upgrade
    prober: Prober[Evidence]
    base: Chosen = frozenset()  # what has moved in all of them
    outcome_of: Callable[[Result[Evidence]], Outcome] = _outcome  # what a result counts as

    def judge(self) -> Inferring:
        """Judges sets of groups, and remembers what is good."""
        return Inferring(self.outcome, upgrade=self.upgrade)

    def result(self, chosen: Chosen) -> Result[Evidence]:
        return self.prober.result(self.moves(chosen))

    def outcome(self, chosen: Chosen) -> Outcome:
        return self.outcome_of(self.result(chosen))

    def is_bad_twice(self, chosen: Chosen) -> bool:
        """Whether it is bad, and bad again when it is probed once more."""
        return self.outcome_of(self.prober.confirmed(self.moves(chosen), self.outcome_of)) is BAD

    def moves(self, chosen: Chosen) -> tuple[Move, ...]:
        return self.upgrade.moves(self.upgrade.completed(self.base | chosen))

    def is_tried(self, chosen: Chosen) -> bool:
        return trial(self.moves(chosen)).moves in self.prober.tried()

    def place(self, chosen: Chosen) -> str:
        """Which environment it is, in words."""
        added = self.moves(chosen)
        left_out = tuple(move for move in self.upgrade.moves(self.upgrade.whole) if move not in added)
        return words.environment(added, left_out=left_out)

    def said(self, chosen: Chosen) -> str:
        """What this environment gave, in a sentence."""
        return words.outcome(self.place(chosen), self.result(chosen))

    def smallest_bad(self, *, within: Chosen) -> Chosen:
        """The fewest of these groups that were seen to be bad together."""
        allowed = set(self.moves(within))
        tried = self.prober.tried().items()
        bad = [set(moves) for moves, result in tried if result.outcome is BAD and allowed.issuperset(moves)]
        fewest = min(bad, key=len, default=set())
        return frozenset(group for group in self.upgrade.groups if fewest.issuperset(group.moves))

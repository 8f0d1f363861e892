"""Blames a smallest bad set of groups, and takes it back out of the candidate as the counter-proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fluxgate.gate.culprit.environments import Environments
from fluxgate.gate.culprit.moves import Chosen, Group
from fluxgate.gate.culprit.narrowing import Inferring, minimal, smaller_by_one, smallest
from fluxgate.gate.culprit.outcomes import BAD, GOOD, JUDGED, UNRESOLVABLE, Evidence, Outcome
from fluxgate.gate.culprit.prober import LimitReached

REACHED = "No more environments may be tried."
KEPT_FOR_PROOF = 1  # environments that are not spent on seeing what can be inferred


class Undecided(Exception):
    """The search ends without a culprit: something was not the same twice, or could not be made."""

    def __init__(self, *, suspects: Chosen, reasons: Sequence[str]) -> None:
        super().__init__(*reasons)
        self.suspects, self.reasons = suspects, tuple(reasons)


@dataclass(frozen=True)
class Blame:
    """Groups to blame, and the smallest bad set they are part of: with what they do not move without.

    tied: not all of them need be to blame, but the resolver does not move any of them back alone."""

    groups: Chosen
    bad: Chosen
    tied: bool = False


@dataclass(frozen=True)
class Remainder:
    """The candidate without the groups to blame, or without one more where the resolver knows no other."""

    chosen: Chosen
    outcome: Outcome
    one_more: bool = False

    @property
    def inexact(self) -> bool:
        """Whether the resolver does not let it be seen without these groups alone."""
        return self.one_more or self.outcome is UNRESOLVABLE


def blame(environments: Environments[Evidence], judge: Inferring, pool: Chosen, *, each_alone: bool) -> Blame:
    """Who makes this pool of groups bad: those of a smallest bad set without which it is good."""
    upgrade = environments.upgrade
    bad = _checked(environments, judge, smallest(upgrade, pool, judge, each_alone=each_alone))
    if not environments.is_bad_twice(bad):
        raise Undecided(suspects=bad, reasons=[environments.said(bad)])
    outcomes = {smaller: judge.inferred(smaller) for smaller in smaller_by_one(upgrade, bad)}
    unjudged = [smaller for smaller, outcome in outcomes.items() if outcome not in JUDGED]
    if any(outcomes[smaller] is not UNRESOLVABLE for smaller in unjudged):
        raise Undecided(suspects=bad, reasons=[environments.said(smaller) for smaller in unjudged])
    if len(unjudged) == len(outcomes):
        return Blame(frozenset(upgrade.removable(bad)), bad, tied=True)
    needed = (bad - smaller for smaller, outcome in outcomes.items() if outcome is GOOD)
    return Blame(frozenset[Group]().union(*needed), bad)


def _checked(environments: Environments[Evidence], judge: Inferring, bad: Chosen) -> Chosen:
    """The bad set, once it was seen that nothing less is bad, rather than inferred; as far as the limit lets it."""
    for smaller in smaller_by_one(environments.upgrade, bad):
        if environments.prober.left > KEPT_FOR_PROOF and judge.asked(smaller) is BAD:
            return _checked(environments, judge, minimal(environments.upgrade, smaller, judge.inferred))
    return bad


def remainder(environments: Environments[Evidence], judge: Inferring, removed: Chosen) -> Remainder:
    """The counter-proof: what is left of the candidate once these groups are taken back."""
    upgrade = environments.upgrade
    exact = upgrade.without(removed)
    for more in [frozenset[Group](), *(frozenset({group}) for group in reversed(upgrade.ordered(exact)))]:
        chosen = upgrade.without(removed | more)
        try:
            outcome = judge.asked(chosen)
        except LimitReached:
            # Some of them may have been taken back already on the way here, and that was enough.
            larger = judge.known_good(chosen)
            if larger is None:
                raise
            return Remainder(larger, GOOD)
        if outcome is not UNRESOLVABLE:
            return Remainder(chosen, outcome, one_more=bool(more))
    return Remainder(exact, UNRESOLVABLE)

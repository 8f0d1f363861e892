"""More culprits than one: whether each is needed, and whether one hides what another does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from fluxgate.gate.culprit.blame import REACHED, Blame, Undecided, blame
from fluxgate.gate.culprit.environments import Environments
from fluxgate.gate.culprit.moves import Chosen, Group
from fluxgate.gate.culprit.outcomes import BAD, GOOD, Evidence, Outcome, Result
from fluxgate.gate.culprit.prober import LimitReached

Explains = Callable[[Evidence, Evidence], bool]  # whether the first accounts for all of the second


def all_of(blames: Sequence[Blame]) -> Chosen:
    """Whoever is blamed."""
    return frozenset[Group]().union(*(each.groups for each in blames))


def needed(known: Environments[Evidence], blames: Sequence[Blame]) -> tuple[list[Blame], list[str]]:
    """Those without whom the candidate would be bad no longer, and what there is to say of the others.

    One may be bad alone and still do no harm in the candidate, where something else that moved makes up for it."""
    notes: list[str] = []
    for each in blames if len(blames) > 1 else ():
        others = [other for other in blames if other is not each]
        rest = known.upgrade.without(all_of(others))
        try:
            outcome = known.outcome(rest)
        except LimitReached:
            return list(blames), [*notes, REACHED]
        if outcome is GOOD:
            kept, more = needed(known, others)
            return kept, [known.said(each.bad), known.said(rest), *more]
        if outcome is not BAD:
            notes.append(known.said(rest))
    return list(blames), notes


def hidden(
    known: Environments[Evidence], blames: Sequence[Blame], *, explains: Explains[Evidence]
) -> tuple[Blame | None, list[str]]:
    """Who, together with those who are blamed, makes the candidate bad in a way that these do not explain."""
    whole, base = known.upgrade.whole, frozenset[Group]().union(*(each.bad for each in blames))

    def outcome_of(result: Result[Evidence]) -> Outcome:
        explained = result.outcome is BAD and _explains(known.result(base), result, explains)
        return GOOD if explained else result.outcome

    candidate = known.result(whole)
    if any(_explains(known.result(by), candidate, explains) for by in [*(each.bad for each in blames), base]):
        return None, []
    beyond = replace(known, base=base, outcome_of=outcome_of)
    try:
        found = blame(beyond, beyond.judge(), whole - base, each_alone=False)
        rest = known.upgrade.without(found.groups)
        proven = beyond.outcome(rest) is GOOD
    except Undecided as end:
        return None, list(end.reasons)
    except LimitReached:
        return None, [REACHED]
    return Blame(all_of(blames) | found.groups, base | found.bad), [] if proven else [known.said(rest)]


def _explains(one: Result[Evidence], other: Result[Evidence], explains: Explains[Evidence]) -> bool:
    """Whether one result's evidence accounts for the other's, or there is none to compare."""
    return one.evidence is None or other.evidence is None or explains(one.evidence, other.evidence)

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


def needed(environments: Environments[Evidence], blames: Sequence[Blame]) -> tuple[list[Blame], list[str]]:
    """Those without whom the candidate would be bad no longer, and what there is to say of the others.

    One may be bad alone and still do no harm in the candidate, where something else that moved makes up for it."""
    notes: list[str] = []
    if len(blames) == 1:
        return list(blames), notes
    for each in blames:
        others = [other for other in blames if other is not each]
        rest = environments.upgrade.without(all_of(others))
        try:
            outcome = environments.outcome(rest)
        except LimitReached:
            return list(blames), [*notes, REACHED]
        if outcome is GOOD:
            kept, more = needed(environments, others)
            return kept, [environments.said(each.bad), environments.said(rest), *more]
        if outcome is not BAD:
            notes.append(environments.said(rest))
    return list(blames), notes


def hidden(
    environments: Environments[Evidence], blames: Sequence[Blame], *, explains: Explains[Evidence]
) -> tuple[Blame | None, list[str]]:
    """Who makes the candidate bad in a way that those who are blamed do not explain, alone or together with them."""
    try:
        return _hidden(environments, blames, explains)
    except Undecided as end:
        return None, list(end.reasons)
    except LimitReached:
        return None, [REACHED]


def _hidden(
    environments: Environments[Evidence], blames: Sequence[Blame], explains: Explains[Evidence]
) -> tuple[Blame | None, list[str]]:
    whole, base = environments.upgrade.whole, frozenset[Group]().union(*(each.bad for each in blames))
    candidate = environments.result(whole)
    alone = (environments.result(by) for by in [*(each.bad for each in blames), base])
    if any(_explains(result, candidate, explains) for result in alone):
        return None, []
    unexplained = replace(environments, outcome_of=_unexplained(environments.result(base), explains))
    beyond = replace(unexplained, base=base)
    further = blame(beyond, beyond.judge(), whole - base, each_alone=False)
    rest = environments.upgrade.without(further.groups)
    notes = [] if beyond.outcome(rest) is GOOD else [environments.said(rest)]
    # It may need some of those who are blamed already, or none.
    more = blame(unexplained, unexplained.judge(), base | further.bad, each_alone=False)
    return (None, [environments.said(more.bad), *notes]) if more.tied else (more, notes)


def _unexplained(one: Result[Evidence], explains: Explains[Evidence]) -> Callable[[Result[Evidence]], Outcome]:
    """What a result counts as, if one that another explains is as good as good."""
    return lambda result: GOOD if result.outcome is BAD and _explains(one, result, explains) else result.outcome


def _explains(one: Result[Evidence], other: Result[Evidence], explains: Explains[Evidence]) -> bool:
    """Whether one result's evidence accounts for the other's, or there is none to compare."""
    return one.evidence is None or other.evidence is None or explains(one.evidence, other.evidence)

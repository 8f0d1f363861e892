"""Finds which of the packages that an upgrade moves is to blame, and proves it from both ends."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace

from fluxgate.gate.culprit.blame import REACHED, Blame, Remainder, Undecided, blame, remainder
from fluxgate.gate.culprit.environments import Environments
from fluxgate.gate.culprit.finding import Culprit, Finding, Kind
from fluxgate.gate.culprit.moves import Chosen, Group, Upgrade
from fluxgate.gate.culprit.outcomes import BAD, GOOD, UNRESOLVABLE, Evidence, Probe
from fluxgate.gate.culprit.prober import Announcement, LimitReached, Prober, Results, silent
from fluxgate.gate.culprit.several import Explains, all_of, hidden, needed

EACH_ALONE = 8  # up to so many groups, each is tried by itself


def most_environments(groups: int) -> int:
    """How many environments a search may try beside incumbent and candidate: 18 for eight groups.

    Each alone, the two bisections of a pair, the pair itself, the counter-proof, and two for a second culprit."""
    return groups + 2 * math.ceil(math.log2(max(groups, 2))) + 4


def find(
    groups: Sequence[Group],
    *,
    probe: Probe[Evidence],
    results: Results[Evidence] | None = None,
    report: Callable[[Announcement], None] = silent,
    explains: Explains[Evidence] = operator.eq,
    most: int | None = None,
) -> Finding[Evidence]:
    """Which of these groups is to blame that the candidate, with all of them, is bad; most suspected first.

    results: what is known from an earlier search, and where new results go. explains: whether one piece of
    evidence accounts for all of another."""
    upgrade = Upgrade(tuple(groups))
    limit = most_environments(len(upgrade.groups)) if most is None else most
    candidate = upgrade.moves(upgrade.whole)
    prober = Prober(probe, results=results, report=report, most=limit, ends=((), candidate), candidate=candidate)
    known = Environments(upgrade, prober)
    finding = _ends(known) or _culprits(known, explains)
    return replace(finding, evidence=known.result(upgrade.whole).evidence, environments=prober.environments)


def _ends(known: Environments[Evidence]) -> Finding[Evidence] | None:
    """What there is to say if the incumbent is not good, or the candidate not bad."""
    incumbent, candidate = frozenset[Group](), known.upgrade.whole
    if known.outcome(incumbent) is not GOOD:
        return Finding(Kind.CANNOT_TELL, unresolved=(known.said(incumbent),))
    if known.outcome(candidate) is GOOD:
        return Finding(Kind.NONE)
    if not known.is_bad_twice(candidate):
        return Finding(Kind.CANNOT_TELL, unresolved=(known.said(candidate),))
    return None


def _culprits(known: Environments[Evidence], explains: Explains[Evidence]) -> Finding[Evidence]:
    """One culprit after the other, until the candidate without them is good."""
    judge, blames, left = known.judge(), list[Blame](), [Remainder(known.upgrade.whole, BAD)]
    each_alone = len(known.upgrade.groups) <= EACH_ALONE
    try:
        while left[-1].outcome is BAD:
            blames.append(blame(known, judge, left[-1].chosen, each_alone=each_alone))
            left.append(remainder(known, judge, all_of(blames)))
    except Undecided as end:
        return _undecided(known, blames, end)
    except LimitReached:
        return _undecided(known, blames, _limit_reached(known, blames))
    if left[-1].outcome not in (GOOD, UNRESOLVABLE):
        reason = known.said(left[-1].chosen)
        return _undecided(known, blames, Undecided(Kind.CANNOT_TELL, suspects=_bad(blames), reasons=[reason]))
    return _blamed(known, blames, left, explains)


def _blamed(
    known: Environments[Evidence], blames: Sequence[Blame], left: Sequence[Remainder], explains: Explains[Evidence]
) -> Finding[Evidence]:
    """What there is to say of those who are blamed; left: what the candidate was without the first, the first two, …"""
    kept, notes = needed(known, blames)
    good = left[-1].chosen if len(kept) == len(blames) else known.upgrade.without(all_of(kept))
    inexact = [
        known.upgrade.without(all_of(blames[: index + 1])) for index, each in enumerate(left[1:]) if each.inexact
    ]
    more, doubts = hidden(known, kept, explains=explains)
    culprits = tuple(_culprit(known, each) for each in [*kept, *([more] if more else [])])
    return Finding(
        Kind.NOT_SEPARABLE if inexact else _kind(culprits),
        culprits=culprits,
        held_back=known.moves(known.upgrade.whole - good) if left[-1].outcome is GOOD else (),
        unresolved=(*map(known.said, inexact), *notes, *doubts),
    )


def _kind(culprits: Sequence[Culprit[Evidence]]) -> Kind:
    if len(culprits) > 1:
        return Kind.SEVERAL
    return Kind.SINGLE if len(culprits[0].groups) == 1 else Kind.INTERACTION


def _culprit(known: Environments[Evidence], blame: Blame) -> Culprit[Evidence]:
    groups = tuple(group.moves for group in known.upgrade.ordered(blame.groups))
    along = known.upgrade.moves(known.upgrade.completed(blame.bad) - blame.groups)
    return Culprit(groups, along, known.result(blame.bad).evidence)


def _undecided(known: Environments[Evidence], blames: Sequence[Blame], end: Undecided) -> Finding[Evidence]:
    """A search that ended without a culprit, after those who were blamed until then."""
    return Finding(
        end.kind,
        suspects=known.moves(end.suspects),
        held_back=known.upgrade.moves(end.held_back),
        unresolved=(*(known.said(each.bad) for each in blames), *end.reasons),
    )


def _limit_reached(known: Environments[Evidence], blames: Sequence[Blame]) -> Undecided:
    fewest = known.smallest_bad(within=known.upgrade.without(all_of(blames))) or _bad(blames)
    return Undecided(Kind.CANNOT_TELL, suspects=fewest, reasons=[REACHED])


def _bad(blames: Sequence[Blame]) -> Chosen:
    return frozenset[Group]().union(*(each.bad for each in blames))

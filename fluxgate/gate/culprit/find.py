"""Finds which of the packages that an upgrade moves is to blame, and proves it from both ends."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace

from fluxgate.gate.culprit import words
from fluxgate.gate.culprit.blame import REACHED, Blame, Remainder, Undecided, blame, remainder
from fluxgate.gate.culprit.environments import Environments
from fluxgate.gate.culprit.finding import Culprit, Finding, Kind
from fluxgate.gate.culprit.moves import Chosen, Group, Upgrade
from fluxgate.gate.culprit.narrowing import smaller_by_one
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
    evidence accounts for all of another. most: how many environments may be tried beside incumbent and candidate."""
    upgrade = Upgrade(tuple(groups))
    limit = most_environments(len(upgrade.groups)) if most is None else most
    candidate = upgrade.moves(upgrade.whole)
    prober = Prober(probe, results=results, report=report, most=limit, ends=((), candidate), candidate=candidate)
    environments = Environments(upgrade, prober)
    finding = _ends(environments) or _culprits(environments, explains)
    return replace(finding, evidence=environments.result(upgrade.whole).evidence, environments=prober.environments)


def _ends(environments: Environments[Evidence]) -> Finding[Evidence] | None:
    """What there is to say if the incumbent is not good, or the candidate not bad."""
    incumbent, candidate = frozenset[Group](), environments.upgrade.whole
    if environments.outcome(incumbent) is not GOOD:
        return Finding(Kind.CANNOT_TELL, unresolved=(environments.said(incumbent),), confirmed=False)
    if environments.outcome(candidate) is GOOD:
        return Finding(Kind.NONE, confirmed=False)
    if not environments.is_bad_twice(candidate):
        return Finding(Kind.CANNOT_TELL, unresolved=(environments.said(candidate),), confirmed=False)
    return None


def _culprits(environments: Environments[Evidence], explains: Explains[Evidence]) -> Finding[Evidence]:
    """One culprit after the other, until the candidate without them is good."""
    upgrade, judge, blames = environments.upgrade, environments.judge(), list[Blame]()
    left = [Remainder(upgrade.whole, BAD)]  # what the candidate is without none of them, the first, the first two, …
    try:
        while left[-1].outcome is BAD:
            each_alone = len(upgrade.groups) <= EACH_ALONE
            blames.append(blame(environments, judge, left[-1].chosen, each_alone=each_alone))
            left.append(remainder(environments, judge, all_of(blames)))
        if left[-1].outcome not in (GOOD, UNRESOLVABLE):
            raise Undecided(suspects=_bad(blames), reasons=[environments.said(left[-1].chosen)])
    except Undecided as end:
        return _undecided(environments, blames, end)
    except LimitReached:
        suspects = environments.smallest_bad(within=upgrade.without(all_of(blames))) or _bad(blames)
        return _undecided(environments, blames, Undecided(suspects=suspects, reasons=[REACHED]))
    return _blamed(environments, blames, left, explains)


def _undecided(environments: Environments[Evidence], blames: Sequence[Blame], end: Undecided) -> Finding[Evidence]:
    """A search that ended without a culprit, after those who were blamed until then."""
    reasons = (*(environments.said(each.bad) for each in blames), *end.reasons)
    return Finding(Kind.CANNOT_TELL, suspects=environments.moves(end.suspects), unresolved=reasons)


def _blamed(
    environments: Environments[Evidence],
    blames: Sequence[Blame],
    left: Sequence[Remainder],
    explains: Explains[Evidence],
) -> Finding[Evidence]:
    """What there is to say of those who are blamed."""
    kept, notes = needed(environments, blames)
    tied = [each for each in kept if each.tied]
    more, doubts = (None, []) if tied else hidden(environments, kept, explains=explains)
    culprits = tuple(_culprit(environments, each) for each in [*kept, more] if each is not None and not each.tied)
    unproven = _unproven(environments, blames, left, tied)
    good = left[-1].chosen if len(kept) == len(blames) else environments.upgrade.without(all_of(kept))
    return Finding(
        Kind.NOT_SEPARABLE if unproven else _kind(culprits),
        culprits,
        suspects=environments.moves(_bad(tied)),
        held_back=environments.upgrade.moves(environments.upgrade.whole - good) if left[-1].outcome is GOOD else (),
        unresolved=tuple(dict.fromkeys([*unproven, *_inferred(environments, kept), *notes, *doubts])),
        everything=not good,
    )


def _unproven(
    environments: Environments[Evidence], blames: Sequence[Blame], left: Sequence[Remainder], tied: Sequence[Blame]
) -> list[str]:
    """What the resolver did not let be seen: groups apart from each other, or the candidate without some."""
    upgrade = environments.upgrade
    apart = [smaller for each in tied for smaller in smaller_by_one(upgrade, each.bad)]
    without = [upgrade.without(all_of(blames[:count])) for count, each in enumerate(left) if each.inexact]
    return [environments.said(chosen) for chosen in [*apart, *without]]


def _inferred(environments: Environments[Evidence], blames: Sequence[Blame]) -> list[str]:
    """What was not seen for want of environments: that less than a culprit is good."""
    smaller = [one for each in blames for one in smaller_by_one(environments.upgrade, each.bad)]
    return [words.not_tried(environments.place(one)) for one in smaller if not environments.is_tried(one)]


def _kind(culprits: Sequence[Culprit[Evidence]]) -> Kind:
    if len(culprits) > 1:
        return Kind.SEVERAL
    return Kind.SINGLE if len(culprits[0].groups) == 1 else Kind.INTERACTION


def _culprit(environments: Environments[Evidence], blame: Blame) -> Culprit[Evidence]:
    upgrade = environments.upgrade
    groups = tuple(group.moves for group in upgrade.ordered(blame.groups))
    return Culprit(groups, upgrade.moves(blame.bad - blame.groups), environments.result(blame.bad).evidence)


def _bad(blames: Sequence[Blame]) -> Chosen:
    return frozenset[Group]().union(*(each.bad for each in blames))

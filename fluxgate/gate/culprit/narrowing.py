"""Narrows groups that are bad together down to a smallest bad set, by a judge that may say neither good nor bad."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from fluxgate.gate.culprit.boundary import boundary
from fluxgate.gate.culprit.moves import Chosen, Group, Upgrade
from fluxgate.gate.culprit.outcomes import BAD, GOOD, JUDGED, Outcome

Judge = Callable[[Chosen], Outcome]

# Where no group is bad alone, the shortest bad prefix is more likely a long one: it ends with the last of several.
SHARE_PAST_ALONE = 2 / 3


class Inferring:
    """A judge that takes what lies within a good set for good: a fault does not come from moving less."""

    def __init__(self, judge: Judge, *, upgrade: Upgrade) -> None:
        self._judge, self._completed = judge, upgrade.completed
        self._good: list[Chosen] = []

    def asked(self, chosen: Chosen) -> Outcome:
        """The judge's own answer."""
        outcome = self._judge(chosen)
        if outcome is GOOD:
            self._good.append(self._completed(chosen))
        return outcome

    def inferred(self, chosen: Chosen) -> Outcome:
        """The same, without asking where it follows from what is good already."""
        return GOOD if self.known_good(chosen) is not None else self.asked(chosen)

    def known_good(self, chosen: Chosen) -> Chosen | None:
        """The largest set that is good and holds this one."""
        return max((good for good in self._good if self._completed(chosen) <= good), key=len, default=None)


def smallest(upgrade: Upgrade, pool: Chosen, judge: Inferring, *, each_alone: bool) -> Chosen:
    """A bad set from this pool, which is bad, of which no part that can be judged is bad.

    each_alone: try each group by itself first. The last one is not: what follows tells whether it is. Packages that
    were not there before come last: mostly they come along with another one, which is tried with them."""
    order = sorted(upgrade.ordered(pool), key=_is_new)
    bad = alone(order[:-1], judge.asked) if each_alone else None
    if bad is None:
        bad = bisected(order, judge.asked, past_alone=each_alone)
    return minimal(upgrade, halved(upgrade, bad, judge.inferred), judge.inferred)


def _is_new(group: Group) -> bool:
    return all(move.old is None for move in group.moves)


def alone(order: Sequence[Group], judge: Judge) -> Chosen | None:
    """The first group that is bad by itself."""
    return next((frozenset({group}) for group in order if judge(frozenset({group})) is BAD), None)


def bisected(order: Sequence[Group], judge: Judge, *, past_alone: bool) -> Chosen:
    """A bad set of these groups, which are bad together.

    What ends the shortest bad prefix belongs to it: that stays, and what was before it is searched again."""
    chosen: Chosen = frozenset()
    low, share = (1, SHARE_PAST_ALONE) if past_alone and len(order) > 1 else (0, 0.5)
    while order and judge(chosen) is not BAD:
        good, bad = boundary(low, len(order), _prefixes(chosen, order, judge), share=share)
        chosen, order = chosen.union(order[good:bad]), order[:good]
        low, share = 0, 0.5
    return chosen


def _prefixes(chosen: Chosen, order: Sequence[Group], judge: Judge) -> Callable[[int], Outcome]:
    """Judges what is chosen with so many groups from the front of the order."""
    return lambda length: judge(chosen.union(order[:length]))


def halved(upgrade: Upgrade, bad: Chosen, judge: Judge) -> Chosen:
    """Delta debugging: the bad set without the halves, quarters, … that need not be in it, down to pairs."""
    parts = 2
    while parts <= len(bad) // 2:
        order = upgrade.ordered(bad)
        chunks = [frozenset(order[number::parts]) for number in range(parts)]
        smaller = next((each for each in [*chunks, *(bad - chunk for chunk in chunks)] if judge(each) is BAD), None)
        bad, parts = (bad, parts * 2) if smaller is None else (smaller, max(2, parts - 1))
    return bad


def minimal(upgrade: Upgrade, bad: Chosen, judge: Judge) -> Chosen:
    """The bad set without whatever it is bad without; behind a part that cannot be judged lie smaller ones."""
    bad = upgrade.completed(bad)
    waiting, seen = deque([bad]), {bad}
    while waiting:
        for smaller in smaller_by_one(upgrade, waiting.popleft()):
            if smaller in seen:
                continue
            seen.add(smaller)
            outcome = judge(smaller)
            if outcome is BAD:
                return minimal(upgrade, smaller, judge)
            if outcome not in JUDGED:
                waiting.append(smaller)
    return bad


def smaller_by_one(upgrade: Upgrade, chosen: Chosen) -> Iterator[Chosen]:
    """The set without one of its groups, the least suspected first."""
    return (chosen - {group} for group in reversed(upgrade.removable(chosen)))

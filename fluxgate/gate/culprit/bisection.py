"""Bisects the releases of one package, or a checkout's commits, between a good one and a bad one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Generic

from fluxgate.gate.culprit.boundary import boundary, widest
from fluxgate.gate.culprit.outcomes import BAD, GOOD, JUDGED, UNRESOLVABLE, Evidence, Outcome, Probe, Result, trial
from fluxgate.gate.culprit.prober import Announcement, LimitReached, Prober, Results, silent
from fluxgate.gate.culprit.releases import Release
from fluxgate.gate.culprit.words import MOST_NAMED, VERBS
from fluxgate.judge.sentences import listed
from fluxgate.report.gate_result import Move


@dataclass(frozen=True)
class Unjudged:
    """A release that lies between the last good one and the first bad one, and why it is neither."""

    version: str
    why: str


@dataclass(frozen=True)
class Range(Generic[Evidence]):
    """Where a package turns bad: at one release, or within a range of which the inner ones cannot be judged."""

    package: str
    good: str | None  # the last that is good; None if not even the old version is
    bad: str | None  # the first that is bad after it; None if not even the new version is
    between: tuple[Unjudged, ...] = ()
    good_again: tuple[str, ...] = ()  # releases that are good though an earlier one is bad
    evidence: Evidence | None = None  # of the first bad one
    environments: int = 0  # how many were tried beside the two ends
    unresolved: tuple[str, ...] = ()  # whole sentences: which end is not what it must be, and what was not looked at
    commits: Mapping[str, str] = field(default_factory=dict)  # of a checkout, with their titles

    @property
    def first_bad(self) -> str | None:
        """The release that did it, if it is known to be this one."""
        return self.bad if self.good is not None and not self.between else None


def bisect_releases(
    move: Move,
    *,
    releases: Sequence[Release],
    probe: Probe[Evidence],
    results: Results[Evidence] | None = None,
    report: Callable[[Announcement], None] = silent,
    along: Sequence[Move] = (),
) -> Range[Evidence]:
    """Where a package turns bad on the way from its old version to its new one; releases: those between, in order.

    along: what moves with it in every environment. A commit of a checkout is a release like any other."""
    most = most_environments(len(releases))
    prober = Prober(probe, results=results, report=report, most=most, ends=(along, (*along, move)))
    row = _Row(move, tuple(releases), tuple(along), prober)
    good, bad = row.outcome(0), row.outcome(row.last)
    if good is not GOOD or bad is not BAD or not row.twice(row.last):
        return row.without_ends()
    low, high = _narrowed(row, 0)
    while (later := _contradiction(row, low, high)) is not None:
        low, high = _narrowed(row, later)
    return row.ending(low, high)


def most_environments(releases: int) -> int:
    """How many environments a bisection may try beside its two ends: twice what it takes if all can be judged."""
    return 2 * math.ceil(math.log2(releases + 1)) + 6


def _narrowed(row: _Row[Evidence], low: int) -> tuple[int, int]:
    """The last good one and the first bad one beyond this place, each of them the same twice."""
    while True:
        good, bad = boundary(low, row.last, row.outcome)
        if all(row.twice(place) for place in (good, bad) if low < place < row.last):
            return good, bad


def _contradiction(row: _Row[Evidence], good: int, bad: int) -> int | None:
    """A place beyond the bad one that is good all the same. One release on each side is looked at for it."""
    row.look(0, good)
    later = row.look(bad, row.last)
    return later if later is not None and row.outcome(later) is GOOD and row.twice(later) else None


@dataclass(frozen=True)
class _Row(Generic[Evidence]):
    """The versions from the old one to the new one, by place."""

    move: Move
    releases: tuple[Release, ...]
    along: tuple[Move, ...]
    prober: Prober[Evidence]

    @property
    def last(self) -> int:
        return len(self.releases) + 1

    def version(self, place: int) -> str:
        versions = [str(self.move.old), *(each.version for each in self.releases), str(self.move.new)]
        return versions[place]

    def outcome(self, place: int) -> Outcome:
        """What is yanked, and what is beyond the limit, is not asked for and cannot be judged."""
        if self._yanked(place):
            return UNRESOLVABLE
        try:
            return self.prober.result(self._moves(place)).outcome
        except LimitReached:
            return UNRESOLVABLE

    def twice(self, place: int) -> bool:
        """Whether a place is the same when it is probed once more."""
        before = self.outcome(place)
        return self.prober.confirmed(self._moves(place), lambda result: result.outcome).outcome is before

    def look(self, low: int, high: int) -> int | None:
        """A place far from all that were tried, once it was tried; None if there is none, or no room for it."""
        asked = [place for place in range(low, high) if self._yanked(place) or self._result(place) is not None]
        place = widest(low, high, asked)
        if place is None or self.prober.left < 1:
            return None
        self.outcome(place)
        return place

    def ending(self, low: int, high: int) -> Range[Evidence]:
        result = self._result(high)
        return Range(
            self.move.package,
            good=self.version(low),
            bad=self.version(high),
            between=tuple(Unjudged(self.version(place), self._why(place)) for place in range(low + 1, high)),
            good_again=self._good_again(),
            evidence=result.evidence if result is not None else None,
            environments=self.prober.environments,
        )

    def without_ends(self) -> Range[Evidence]:
        """What there is to say where the old version is not good, or the new one not bad."""
        first, last = self.outcome(0), self.outcome(self.last)
        return Range(
            self.move.package,
            good=self.version(0) if first is GOOD else None,
            bad=self.version(self.last) if last is BAD else None,
            unresolved=tuple(
                f"{self.move.package} {self.version(place)} {VERBS[self.outcome(place)]}."
                for place, expected in ((0, GOOD), (self.last, BAD))
                if self.outcome(place) is not expected
            ),
        )

    def _moves(self, place: int) -> tuple[Move, ...]:
        return (*self.along, replace(self.move, new=self.version(place))) if place else self.along

    def _yanked(self, place: int) -> bool:
        return 0 < place < self.last and self.releases[place - 1].yanked

    def _result(self, place: int) -> Result[Evidence] | None:
        return self.prober.tried().get(trial(self._moves(place)).moves)

    def _why(self, place: int) -> str:
        result = self._result(place)
        if result is None:
            return "is yanked" if self._yanked(place) else "was not tried"
        return VERBS[result.outcome] + (f": {result.why}" if result.why else "")

    def _good_again(self) -> tuple[str, ...]:
        results = ((place, self._result(place)) for place in range(self.last + 1))
        judged = [(place, each.outcome) for place, each in results if each is not None and each.outcome in JUDGED]
        turns = pairwise(judged)
        return tuple(self.version(place) for (_, before), (place, now) in turns if before is BAD and now is GOOD)


def sentence(turn: Range[Any]) -> str:
    """Which release or commit did it, as one engineer says it to another."""
    if turn.good is None or turn.bad is None:
        return " ".join([f"{turn.package} cannot be bisected.", *turn.unresolved])
    good, bad = (_named(turn, version) for version in (turn.good, turn.bad))
    if turn.between:
        unjudged = listed((f"{_named(turn, each.version)} {each.why}" for each in turn.between), MOST_NAMED)
        first = f"{turn.package} passes with {good} and fails with {bad}; between them, {unjudged}."
    elif turn.bad in turn.commits:
        first = f"{turn.package} fails from {bad} on; {good} passes."
    else:
        first = f"{turn.package} {turn.bad} is the first version that fails; {good} passes."
    again = [f"An earlier one failed, too, before {_named(turn, each)} passed again." for each in turn.good_again[-1:]]
    return " ".join([first, *again, *turn.unresolved])


def _named(turn: Range[Any], version: str) -> str:
    """`4.57.0`, or `commit 1a2b3c4d5e6f (Move the scale)`."""
    return f"commit {version} ({turn.commits[version]})" if version in turn.commits else version

"""Simulated worlds: packages whose moves are bad in combinations that a search does not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from hypothesis import strategies as st

from fluxgate.gate.culprit.finding import Finding
from fluxgate.gate.culprit.moves import Group
from fluxgate.gate.culprit.outcomes import BAD, FAILED, FLAKY, GOOD, UNRESOLVABLE, Outcome, Result, Trial
from fluxgate.report.gate_result import Move

Names = frozenset[str]


def move(name: str) -> Move:
    return Move(name, "1", "2")


def group(name: str, *needs: str) -> Group:
    """A package that moves by itself, or only where others do."""
    return Group((move(name),), frozenset(needs))


def groups(count: int) -> tuple[Group, ...]:
    """`a`, `b`, `c`, …, each moving alone."""
    return tuple(group(chr(ord("a") + number)) for number in range(count))


def names(moves: Iterable[Move]) -> Names:
    return frozenset(each.package for each in moves)


@dataclass(frozen=True)
class Rule:
    """Where all of these have moved and none of those, there is no good and no bad."""

    where: Names
    unless: Names

    def holds(self, moved: Names) -> bool:
        return self.where <= moved and self.unless.isdisjoint(moved)


@dataclass
class World:
    """What each environment gives, and how often it was asked for."""

    groups: tuple[Group, ...]
    faults: tuple[Names, ...]  # bad wherever all packages of one have moved
    unresolvable: tuple[Rule, ...] = ()
    failing: tuple[Rule, ...] = ()
    flaky: tuple[Names, ...] = ()  # as faults, but not the same twice
    honest: bool = True  # the probe itself says what is flaky, rather than bad at first and good after
    cures: Mapping[Names, str] = field(default_factory=dict)  # a fault -> what makes up for it, once moved
    stages: Mapping[Names, int] = field(default_factory=dict)  # where a fault shows; the first one hides the later
    asked: list[Trial] = field(default_factory=list)

    def probe(self, trial: Trial) -> Result[int]:
        self.asked.append(trial)
        return self.result(names(trial.moves), attempt=trial.attempt)

    def result(self, moved: Names, attempt: int = 1) -> Result[int]:
        if any(rule.holds(moved) for rule in self.unresolvable):
            return Result(UNRESOLVABLE, why="they need others")
        if any(rule.holds(moved) for rule in self.failing):
            return Result(FAILED, why="pip left with 1")
        shown = [fault for fault in self.faults if fault <= moved and self.cures.get(fault) not in moved]
        if shown:
            return Result(BAD, evidence=min(self.stages.get(fault, 0) for fault in shown), seconds=10.0)
        if any(fault <= moved for fault in self.flaky):
            return Result(FLAKY if self.honest else (BAD if attempt == 1 else GOOD), seconds=10.0)
        return Result(GOOD, seconds=10.0)

    def outcome(self, moved: Names) -> Outcome:
        return self.result(moved).outcome

    @property
    def packages(self) -> Names:
        return frozenset[str]().union(*(each.packages for each in self.groups))

    def closed(self, chosen: Iterable[str]) -> Names:
        """With what they need."""
        chosen = frozenset(chosen)
        return chosen.union(*(each.needs for each in self.groups if each.packages & chosen))

    def environments(self) -> int:
        """How many were asked for beside incumbent and candidate, and could be resolved."""
        further = {names(trial.moves) for trial in self.asked} - {frozenset(), self.packages}
        return sum(self.outcome(moved) is not UNRESOLVABLE for moved in further)

    def asked_twice(self) -> list[Trial]:
        return [trial for trial, times in Counter(self.asked).items() if times > 1]


def proper_subsets(chosen: Names) -> list[Names]:
    return [frozenset(part) for size in range(len(chosen)) for part in combinations(sorted(chosen), size)]


def blamed(finding: Finding[int]) -> list[Names]:
    """The packages of each culprit."""
    return [names(culprit.moves) for culprit in finding.culprits]


def some(of: Sequence[str], least: int = 1, most: int = 3) -> st.SearchStrategy[Names]:
    if not of:
        return st.just(frozenset())
    return st.frozensets(st.sampled_from(of), min_size=least, max_size=min(most, len(of)))


@st.composite
def worlds(draw: st.DrawFn, *, faults: int = 3, largest: int = 12, smallest: int = 1) -> World:
    """Up to twelve packages that move freely, and up to three sets of up to three of them that are bad."""
    count = draw(st.integers(smallest, largest))
    made = groups(count)
    of = [each.moves[0].package for each in made]
    drawn = draw(st.lists(some(of), min_size=1, max_size=faults, unique=True))
    least = tuple(fault for fault in drawn if not any(other < fault for other in drawn))
    return World(made, least)


@st.composite
def rules(draw: st.DrawFn, of: Sequence[str]) -> tuple[Rule, ...]:
    """Rules that leave incumbent and candidate alone."""
    drawn = draw(st.lists(st.tuples(some(of, most=2), some(of, most=2)), max_size=4))
    return tuple(Rule(where, unless - where) for where, unless in drawn if unless - where)

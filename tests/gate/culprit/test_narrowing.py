"""Tests of narrowing a bad set: its steps, each by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.gate.culprit.moves import Chosen, Upgrade
from fluxgate.gate.culprit.narrowing import Inferring, alone, bisected, halved, minimal, smallest
from fluxgate.gate.culprit.outcomes import BAD, GOOD, UNRESOLVABLE, Outcome
from tests.gate.culprit.worlds import World, groups, names, rules, worlds


def judge(world: World, asked: list[str] | None = None) -> Callable[[Chosen], Outcome]:
    def judged(chosen: Chosen) -> Outcome:
        moved = frozenset[str]().union(*(each.packages for each in chosen))
        if asked is not None:
            asked.append("".join(sorted(moved)))
        return world.outcome(moved)

    return judged


def packages(chosen: Chosen) -> str:
    return "".join(sorted(frozenset[str]().union(*(each.packages for each in chosen))))


def test_what_is_alone_is_tried_in_order() -> None:
    """Until one is bad."""
    asked: list[str] = []
    assert packages(alone(groups(5), judge(World(groups(5), (frozenset("c"),)), asked)) or frozenset()) == "c"
    assert asked == ["a", "b", "c"]
    assert alone(groups(5), judge(World(groups(5), (frozenset("cd"),)))) is None


@given(worlds(), st.data(), st.booleans())
def test_bisection_ends_in_a_bad_set(world: World, data: st.DataObject, past_alone: bool) -> None:
    """Whatever cannot be judged; and without that, in one of the faults."""
    world.unresolvable = data.draw(rules(sorted(world.packages)))
    past_alone = past_alone and all(len(fault) > 1 for fault in world.faults)
    bad = frozenset(packages(bisected(world.groups, judge(world), past_alone=past_alone)))
    assert world.outcome(bad) is BAD
    assert world.unresolvable or bad in world.faults


def in_quarters(asked: list[str]) -> Callable[[Chosen], Outcome]:
    """A judge of twelve groups that only move by threes, of which those with `b` are bad."""

    def judged(chosen: Chosen) -> Outcome:
        moved = packages(chosen)
        asked.append(moved)
        quarters = ["abcdefghijkl"[number::4] for number in range(4)]
        whole = all(len(set(quarter) & set(moved)) in (0, 3) for quarter in quarters)
        return UNRESOLVABLE if not whole else BAD if "b" in moved else GOOD

    return judged


def test_halves_that_need_not_be_there_are_taken_away() -> None:
    """And then quarters, rather than one group after the other."""
    upgrade, asked = Upgrade(groups(12)), list[str]()
    assert packages(halved(upgrade, upgrade.whole, in_quarters(asked))) == "bfj"
    assert len(asked) < 10


def test_a_search_takes_halves_away_before_it_looks_at_each_group() -> None:
    """There are hundreds of ways to take two or three of twelve away, none of which resolves."""
    upgrade, asked = Upgrade(groups(12)), list[str]()
    judge = Inferring(in_quarters(asked), upgrade=upgrade)
    assert packages(smallest(upgrade, upgrade.whole, judge, each_alone=False)) == "bfj"
    assert len(asked) < 40


@given(worlds(), st.data())
def test_halving_keeps_a_bad_set_bad(world: World, data: st.DataObject) -> None:
    """Whatever is taken away."""
    world.unresolvable = data.draw(rules(sorted(world.packages)))
    upgrade = Upgrade(world.groups)
    assert world.outcome(frozenset(packages(halved(upgrade, upgrade.whole, judge(world))))) is BAD


def test_what_lies_behind_an_unresolvable_set_is_looked_at() -> None:
    """Two that only move back together are both taken away."""
    upgrade = Upgrade(groups(4))
    tied = {"abcd": BAD, "ab": BAD, "a": GOOD, "b": GOOD, "": GOOD}
    assert packages(minimal(upgrade, upgrade.whole, lambda chosen: tied.get(packages(chosen), UNRESOLVABLE))) == "ab"


def test_what_lies_within_a_good_set_is_not_asked_for() -> None:
    """It follows; what is asked for itself is asked all the same."""
    asked: list[str] = []
    known = Inferring(judge(World(groups(3), (frozenset("c"),)), asked), upgrade=Upgrade(groups(3)))
    a, b, c = map(frozenset, zip(groups(3), strict=True))
    assert [known.asked(a | b), known.inferred(a), known.asked(a), known.inferred(c)] == [GOOD, GOOD, GOOD, BAD]
    assert asked == ["ab", "a", "c"]
    assert (known.known_good(b), known.known_good(c)) == (a | b, None)


@pytest.mark.parametrize("each", "abc")
def test_the_largest_good_set_is_told(each: str) -> None:
    """It leaves the least out of the candidate."""
    known = Inferring(lambda chosen: GOOD, upgrade=Upgrade(groups(3)))
    for size in (1, 3, 2):
        known.asked(frozenset(groups(3)[:size]))
    assert known.known_good(frozenset(one for one in groups(3) if names(one.moves) == {each})) == frozenset(groups(3))

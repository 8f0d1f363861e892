"""Tests of moves in groups: what the resolver ties together, what needs what, and who is suspected first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fluxgate.gate.culprit.moves import Group, Upgrade, by_suspicion, groups_of
from tests.gate.culprit.worlds import Names, group, groups, move, names, some

ALL = "abcdefg"


def closures(direct: dict[str, Names]) -> dict[str, Names]:
    """What a resolver says: all that moves along, over others too."""
    reached = {name: direct[name] | {name} for name in direct}
    for _ in direct:
        reached = {name: each.union(*(reached[other] for other in each)) for name, each in reached.items()}
    return reached


@st.composite
def resolvers(draw: st.DrawFn) -> dict[str, Names]:
    return closures({name: draw(some(ALL, least=0, most=2)) for name in ALL})


@given(resolvers(), st.data())
def test_groups_move_together_or_not_at_all(closure: dict[str, Names], data: st.DataObject) -> None:
    """Two packages are in one group if each drags the other along, and a group needs whatever else it drags along."""
    made = groups_of([move(name) for name in data.draw(st.permutations(ALL))], closure=closure.get)
    assert sorted(each for one in made for each in one.packages) == list(ALL)
    for one in made:
        for name in one.packages:
            assert one.packages == {other for other in closure[name] if name in closure[other]}
            assert one.needs == closure[name] - one.packages


@given(resolvers())
def test_a_resolver_that_names_only_direct_needs_gives_the_same(closure: dict[str, Names]) -> None:
    """What a need needs is followed here as well."""
    moves = [move(name) for name in ALL]
    assert groups_of(moves, closure=closure.get) == groups_of(moves, closure=closures(closure).get)


def test_what_the_resolver_does_not_move_stays_alone() -> None:
    """Whether it can be judged with others is left to the search; and what does not move is not part of a group."""
    closure = {"a": None, "b": frozenset({"b", "numpy"}), "c": frozenset[str]()}
    assert groups_of([move("a"), move("b"), move("c")], closure=closure.get) == groups(3)


@given(resolvers(), st.data())
def test_the_most_suspected_come_first_after_what_they_need(closure: dict[str, Names], data: st.DataObject) -> None:
    """No group is lost, none stands before one that it needs, and suspects keep their order where needs allow it."""
    made = groups_of([move(name) for name in ALL], closure=closure.get)
    suspects = list(data.draw(some(ALL, least=0)))
    order = by_suspicion(made, suspects=suspects)
    assert {one.packages for one in order} == {one.packages for one in made}
    for index, one in enumerate(order):
        assert not any(later.needed_by(one) for later in order[index:])
    if all(not one.needs for one in made):
        leading = [one for one in order if one.packages & set(suspects)]
        assert list(order[: len(leading)]) == leading


def test_a_suspect_that_did_not_move_is_none() -> None:
    """The rest follow as they came."""
    order = by_suspicion(groups(4), suspects=["transformers", "d", "b"])
    assert [one.moves[0].package for one in order] == ["d", "b", "a", "c"]


def test_without_suspects_the_order_stays() -> None:
    """A stage that nothing is known of leaves it alone."""
    assert by_suspicion(groups(4), suspects=[]) == groups(4)


def test_the_most_suspected_of_a_group_is_named_first() -> None:
    """And its group is as suspected as it is."""
    tied = Group((move("hub"), move("transformers")))
    (first, second) = by_suspicion((group("a"), tied), suspects=["transformers"])
    assert [each.package for each in first.moves] == ["transformers", "hub"]
    assert second == group("a")


@given(resolvers(), st.data())
def test_environments_hold_what_they_need(closure: dict[str, Names], data: st.DataObject) -> None:
    """Adding takes along what is needed, and taking away takes along what needs it."""
    upgrade = Upgrade(groups_of([move(name) for name in ALL], closure=closure.get))
    chosen = frozenset(one for one in upgrade.groups if data.draw(st.booleans()))
    completed, left = upgrade.completed(chosen), upgrade.without(chosen)
    assert names(upgrade.moves(completed)) == frozenset().union(
        *(closure[each] for one in chosen for each in one.packages)
    )
    assert upgrade.completed(left) == left
    assert left.isdisjoint(chosen)
    assert all(not upgrade.completed(left | {one}).isdisjoint(chosen) for one in upgrade.whole - left)
    for one in upgrade.removable(completed):
        assert upgrade.completed(completed - {one}) == completed - {one}

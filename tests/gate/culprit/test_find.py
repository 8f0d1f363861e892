"""Tests of the search for a culprit, in worlds whose culprits it does not know."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.gate.culprit.find import find, most_environments
from fluxgate.gate.culprit.finding import Finding, Kind
from fluxgate.gate.culprit.moves import Group
from fluxgate.gate.culprit.outcomes import BAD, FAILED, FLAKY, GOOD, UNRESOLVABLE, Outcome, Result, Trial
from fluxgate.gate.culprit.prober import Announcement
from fluxgate.report.gate_result import Move
from tests.gate.culprit.worlds import (
    Names,
    Rule,
    World,
    blamed,
    group,
    groups,
    move,
    names,
    proper_subsets,
    rules,
    some,
    worlds,
)
from tests.wording import unsaid

PROVEN = (Kind.SINGLE, Kind.INTERACTION, Kind.SEVERAL)
UNLIMITED = 10_000


def search(world: World, most: int | None = UNLIMITED) -> Finding[int]:
    return find(world.groups, probe=world.probe, most=most)


def _unsaid(finding: Finding[Any], *expected: tuple[str, ...]) -> list[list[str]]:
    """Of each sentence about what could not be told, the facts that it lacks."""
    return [unsaid(said, *facts) for said, facts in zip(finding.unresolved, expected, strict=True)]


def fault(*packages: str) -> Names:
    return frozenset(packages)


# What is named


@given(worlds(faults=1))
def test_the_culprit_is_named_and_nothing_else(world: World) -> None:
    """One, two or three packages that are bad together are found as they are, among up to twelve."""
    finding = search(world)
    assert blamed(finding) == list(world.faults)
    assert finding.kind is (Kind.SINGLE if len(world.faults[0]) == 1 else Kind.INTERACTION)
    assert (names(finding.held_back), finding.unresolved) == (world.faults[0], ())


@given(worlds())
def test_every_culprit_named_is_one(world: World) -> None:
    """However many there are and share packages, each one named is a smallest bad set, and without them all is good."""
    finding = search(world)
    assert finding.kind in PROVEN
    assert set(blamed(finding)) <= set(world.faults)
    assert world.outcome(world.packages - names(finding.moves)) is GOOD


@given(worlds(), st.data())
def test_independent_culprits_are_all_named(world: World, data: st.DataObject) -> None:
    """Where no two share a package, none stays behind another, whichever stage each is seen at."""
    apart = [each for index, each in enumerate(world.faults) if not any(each & other for other in world.faults[:index])]
    stages = {each: data.draw(st.integers(0, 2)) for each in apart}
    world = replace(world, faults=tuple(apart), stages=stages)
    finding = search(world)
    assert set(blamed(finding)) == set(apart)
    assert (finding.kind is Kind.SEVERAL) == (len(apart) > 1)


@given(worlds(), st.data())
def test_nobody_innocent_is_named_where_the_resolver_is_in_the_way(world: World, data: st.DataObject) -> None:
    """Whatever cannot be resolved, a culprit is part of a fault, and nothing smaller that can be judged is bad."""
    stages = {each: data.draw(st.integers(0, 2)) for each in world.faults}
    world = replace(world, unresolvable=data.draw(rules(sorted(world.packages))), stages=stages)
    finding = search(world)
    assert finding.kind in (*PROVEN, Kind.NOT_SEPARABLE)
    assert names(finding.moves) <= frozenset().union(*world.faults)
    for culprit in finding.culprits:
        bad = names(culprit.moves) | names(culprit.along)
        assert world.outcome(bad) is BAD
        assert BAD not in {world.outcome(part) for part in proper_subsets(bad) if names(culprit.moves) <= part}
    assert not finding.suspects or any(each <= names(finding.suspects) for each in world.faults)
    if finding.held_back:
        assert world.outcome(world.packages - names(finding.held_back)) is GOOD


@given(worlds(faults=1), st.data())
def test_what_can_be_told_is_told(world: World, data: st.DataObject) -> None:
    """If the fault, all of it but one package, and the candidate without it can be resolved, it is named exactly."""
    (hidden,) = world.faults
    needed = [hidden, world.packages - hidden, *(hidden - {each} for each in hidden)]
    drawn = data.draw(rules(sorted(world.packages)))
    world = replace(world, unresolvable=tuple(rule for rule in drawn if not any(rule.holds(each) for each in needed)))
    finding = search(world)
    assert (blamed(finding), finding.culprits[0].along, names(finding.held_back)) == ([hidden], (), hidden)
    assert finding.kind in PROVEN


@given(worlds(faults=1, smallest=2), st.data())
def test_what_needs_others_is_named_with_them(world: World, data: st.DataObject) -> None:
    """A culprit that does not move without another is told from what it needs."""
    of = sorted(world.packages)
    # Whatever stands later in the alphabet may need what stands before.
    direct = {each: data.draw(some(of[:index], least=0)) if index else frozenset() for index, each in enumerate(of)}
    needs: dict[str, Names] = {}
    for each in of:
        needs[each] = direct[each].union(*(needs[other] for other in direct[each]))
    order = data.draw(st.permutations(of))
    world = World(tuple(group(each, *needs[each]) for each in order), world.faults)
    world.unresolvable = tuple(Rule(fault(each), fault(other)) for each in of for other in needs[each])
    (culprit,) = search(world).culprits
    closed = world.closed(world.faults[0])
    assert names(culprit.moves) == {each for each in closed if not any(each in needs[other] for other in closed)}
    assert names(culprit.moves) | names(culprit.along) == closed
    assert BAD not in {world.outcome(part) for part in proper_subsets(closed)}


@given(worlds(), st.data())
def test_what_could_not_be_made_blames_nobody(world: World, data: st.DataObject) -> None:
    """An environment that failed is neither good nor bad; where it is in the way, the finding says so."""
    world = replace(world, failing=data.draw(rules(sorted(world.packages))))
    finding = search(world)
    assert names(finding.moves) <= frozenset().union(*world.faults)
    if finding.kind is Kind.CANNOT_TELL:
        assert not unsaid(" ".join(finding.unresolved), "could not be made", "pip left with 1")
        assert not finding.culprits
    else:
        assert finding.kind in PROVEN


@given(worlds(), st.data(), st.booleans())
def test_what_is_not_the_same_twice_is_never_blamed(world: World, data: st.DataObject, honest: bool) -> None:
    """Whether the probe says that it is flaky, or says bad at first and good after."""
    flaky = data.draw(st.lists(some(sorted(world.packages)), max_size=2))
    world = replace(world, flaky=tuple(flaky), honest=honest)
    finding = search(world)
    assert names(finding.moves) <= frozenset().union(*world.faults)
    assert finding.kind in (*PROVEN, Kind.CANNOT_TELL)
    if finding.kind is Kind.CANNOT_TELL:
        said = " ".join(finding.unresolved)
        assert "is not the same twice" in said
        assert honest or not unsaid(said, "bad at first", "good when repeated")


@given(worlds(), st.data())
def test_nobody_is_named_whom_the_candidate_does_not_need_to_be_bad(world: World, data: st.DataObject) -> None:
    """A move that is bad alone, but for which another makes up in the candidate, is not blamed for it."""
    cures = {each: data.draw(some(sorted(world.packages - each), least=0, most=1)) for each in world.faults}
    world = replace(world, cures={each: min(cure) for each, cure in cures.items() if cure})
    finding = search(world)
    if world.outcome(world.packages) is GOOD:
        assert finding.kind is Kind.NONE
        return
    assert finding.kind in PROVEN
    assert names(finding.held_back) == names(finding.moves)
    assert world.outcome(world.packages - names(finding.moves)) is GOOD
    for culprit in finding.culprits:
        others = frozenset[str]().union(*(each for each in blamed(finding) if each != names(culprit.moves)))
        assert world.outcome(world.packages - others) is BAD
        assert world.outcome(names(culprit.moves)) is BAD


# How it is proven, and what it costs


@given(worlds(), st.data())
def test_the_counter_proof_is_always_seen(world: World, data: st.DataObject) -> None:
    """The incumbent with the culprit alone was probed, twice, and so was the candidate without all of them."""
    world = replace(world, unresolvable=data.draw(rules(sorted(world.packages))))
    finding = search(world)
    asked = [names(trial.moves) for trial in world.asked]
    if finding.kind in PROVEN:
        for culprit in finding.culprits:
            assert asked.count(names(culprit.moves) | names(culprit.along)) == 2
        assert names(finding.held_back) == names(finding.moves)
        assert world.packages - names(finding.moves) in asked


@given(worlds(), st.data())
def test_nothing_is_asked_twice(world: World, data: st.DataObject) -> None:
    """Each environment is probed once, but for what is repeated on purpose; and the finding counts them rightly."""
    of = sorted(world.packages)
    world = replace(world, unresolvable=data.draw(rules(of)), failing=data.draw(rules(of)))
    finding = search(world)
    assert world.asked_twice() == []
    assert finding.environments == world.environments()


def environments(count: int, size: int) -> list[int]:
    """What each culprit of so many packages costs, among so many."""
    worlds = [
        World(groups(count), (names(map(move, each)),)) for each in combinations("abcdefghijklmnopqrst"[:count], size)
    ]
    findings = [search(world, most=None) for world in worlds]
    assert [blamed(finding) for finding in findings] == [list(world.faults) for world in worlds]
    return [finding.environments for finding in findings]


# In shared measurements: 5, 8 and 5.3 for one, and 9.1, 12.9 and 10.1 for a pair, none of which counts a counter-proof.
# Bisection infers that the earlier one of a pair is good alone; here that is seen, too.
@pytest.mark.parametrize(
    "count, size, mean, most",
    [
        (5, 1, 5.0, 6),
        (8, 1, 8.0, 10),
        (20, 1, 5.3 + 1, 7),
        (5, 2, 9.1 + 1, 10),
        (8, 2, 12.9 + 1, 15),
        (20, 2, 10.1 + 2, 14),
    ],
)
def test_a_culprit_costs_no_more_environments_than_elsewhere(count: int, size: int, mean: float, most: int) -> None:
    """Over all places where it can be: at most the mean that is known for its way of searching, and the proof."""
    numbers = environments(count, size)
    assert round(sum(numbers) / len(numbers), 1) <= mean
    assert max(numbers) <= most


@pytest.mark.parametrize("count, mean, most", [(5, 7.0, 8), (8, 9.2, 12), (20, 13.0, 15)])
def test_two_culprits_cost_little_more_than_one(count: int, mean: float, most: int) -> None:
    """What was seen on the way to the first is not tried again, and nothing is asked where the evidence is the same."""
    pairs = [[each.packages for each in pair] for pair in combinations(groups(count), 2)]
    findings = [search(World(groups(count), tuple(pair))) for pair in pairs]
    assert [(finding.kind, set(blamed(finding))) for finding in findings] == [
        (Kind.SEVERAL, set(pair)) for pair in pairs
    ]
    numbers = [finding.environments for finding in findings]
    assert (round(sum(numbers) / len(numbers), 1), max(numbers)) == (mean, most)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_eight_groups_take_at_most_eighteen_environments(size: int) -> None:
    """One, two or three culprits among eight are found, and proven, within the limit."""
    assert most_environments(8) == 18
    assert max(environments(8, size)) <= 18


@given(worlds(largest=8), st.data())
def test_the_limit_is_held(world: World, data: st.DataObject) -> None:
    """Whatever there is to find, and whatever is in the way; and nobody innocent is named for want of environments."""
    most = data.draw(st.integers(0, most_environments(len(world.groups))))
    stages = {each: data.draw(st.integers(0, 2)) for each in world.faults}
    world = replace(world, unresolvable=data.draw(rules(sorted(world.packages))), stages=stages)
    finding = search(world, most)
    assert world.environments() == finding.environments <= most
    assert names(finding.moves) <= frozenset().union(*world.faults)


def test_a_limit_that_is_reached_is_said() -> None:
    """Together with the fewest moves that were seen to be bad by then."""
    finding = search(World(groups(6), (fault("b", "e"),)), 8)
    assert (finding.kind, finding.environments) == (Kind.CANNOT_TELL, 8)
    assert fault("b", "e") <= names(finding.suspects) < fault(*"abcdef")
    assert finding.unresolved == ("No more environments may be tried.",)


def test_what_was_seen_before_the_limit_is_said() -> None:
    """A first culprit is not lost because the second one was not found."""
    finding = search(World(groups(8), (fault("a"), fault("g", "h"))), 8)
    assert (finding.kind, finding.culprits) == (Kind.CANNOT_TELL, ())
    assert _unsaid(finding, ("incumbent with a 1 → 2", "fails"), ("No more environments",)) == [[], []]
    assert names(finding.suspects) == fault(*"bcdefgh")


def test_a_culprit_whose_counter_proof_is_beyond_the_limit_is_suspected() -> None:
    """It is bad alone, twice, and that is all."""
    finding = search(World(groups(8), (fault("a"),)), 1)
    assert (finding.kind, finding.culprits, names(finding.suspects)) == (Kind.CANNOT_TELL, (), fault("a"))
    assert _unsaid(finding, ("incumbent with a 1 → 2", "fails"), ("No more environments",)) == [[], []]


def test_a_counter_proof_that_was_seen_on_the_way_needs_no_environment() -> None:
    """The candidate without one of three was good; that it is good without all three needs no further one."""
    finding = search(World(groups(8), (fault("f", "g", "h"),)), 16)  # two fewer than to see all of it
    assert (finding.kind, blamed(finding)) == (Kind.INTERACTION, [fault("f", "g", "h")])
    assert names(finding.held_back) == fault("h")


def test_what_was_inferred_is_said() -> None:
    """For want of environments, not every pair out of three was seen to pass."""
    finding = search(World(groups(8), (fault("f", "g", "h"),)), 16)
    first, second = ("incumbent with f 1 → 2 and g 1 → 2",), ("incumbent with f 1 → 2 and h 1 → 2",)
    assert _unsaid(finding, (*first, "not tried"), (*second, "not tried")) == [[], []]


# The ends


@pytest.mark.parametrize(
    "incumbent, candidate, kind, said",
    [
        (GOOD, GOOD, Kind.NONE, None),
        (BAD, BAD, Kind.CANNOT_TELL, "The incumbent fails."),
        (FLAKY, BAD, Kind.CANNOT_TELL, "The incumbent is not the same twice."),
        (GOOD, FLAKY, Kind.CANNOT_TELL, "The candidate is not the same twice."),
        (GOOD, FAILED, Kind.CANNOT_TELL, "The candidate could not be made."),
        (GOOD, UNRESOLVABLE, Kind.CANNOT_TELL, "The candidate cannot be resolved."),
    ],
)
def test_both_ends_are_confirmed_first(incumbent: Outcome, candidate: Outcome, kind: Kind, said: str | None) -> None:
    """An incumbent that is not good, or a candidate that is not bad, is said, and nothing else is tried."""
    finding = find(groups(3), probe=lambda trial: Result[int](candidate if trial.moves else incumbent))
    assert (finding.kind, finding.environments, finding.culprits) == (kind, 0, ())
    assert finding.unresolved == ((said,) if said else ())


def test_a_candidate_that_is_bad_once_blames_nobody() -> None:
    """It is probed again before anything else is."""
    finding = find(groups(3), probe=lambda trial: Result[int](BAD if trial.moves and trial.attempt == 1 else GOOD))
    assert finding.kind is Kind.CANNOT_TELL
    assert _unsaid(finding, ("candidate", "not the same twice", "bad at first", "good when repeated")) == [[]]


def test_an_upgrade_that_moves_nothing_has_no_culprit() -> None:
    """Incumbent and candidate are one environment."""
    assert search(World((), ())).kind is Kind.NONE


def test_the_only_group_needs_no_further_environment() -> None:
    """The ends prove it."""
    finding = search(World(groups(1), (fault("a"),)))
    assert (finding.kind, finding.environments) == (Kind.SINGLE, 0)


# Order and announcements


def test_the_most_suspected_is_tried_first() -> None:
    """A suspicion that is right costs one environment, and one for the counter-proof."""
    for count in (2, 5, 8):
        finding = search(World(groups(count), (fault("a"),)))
        assert finding.environments == (2 if count > 2 else 1) + (count == 2)


def test_each_environment_is_announced_before_it_is_probed() -> None:
    """With its number, how many are left at most, and how long one takes."""
    world = World(groups(4), (fault("b", "d"),))
    lines: list[str | Announcement] = []

    def probe(trial: Trial) -> Result[int]:
        lines.append("probed")
        return world.probe(trial)

    finding = find(world.groups, probe=probe, report=lines.append)
    said = [line for line in lines if isinstance(line, Announcement)]
    assert lines == [each for announcement in said for each in (announcement, "probed")]
    assert [line.number for line in said if line.number] == list(range(1, finding.environments + 1))
    assert {line.number + line.left for line in said if line.number} == {most_environments(4)}
    assert [line.seconds_each for line in said] == [None, *[10.0] * (len(said) - 1)]
    assert [line.trial for line in said] == world.asked


# Going on after an end


@given(worlds(), st.data())
def test_an_interrupted_search_asks_only_for_what_is_missing(world: World, data: st.DataObject) -> None:
    """With the results that were written, it ends as it would have, and announces only what it probes."""
    world = replace(world, unresolvable=data.draw(rules(sorted(world.packages))))
    whole, steps = search(world), len(world.asked)
    stop = data.draw(st.integers(0, steps - 1))
    again = replace(world, asked=[])
    results: dict[Trial, Result[int]] = {}

    def stopping(trial: Trial) -> Result[int]:
        if len(again.asked) == stop:
            raise KeyboardInterrupt
        return again.probe(trial)

    with pytest.raises(KeyboardInterrupt):
        find(again.groups, probe=stopping, results=results, most=UNLIMITED)
    said: list[Announcement] = []
    finding = find(again.groups, probe=again.probe, results=results, report=said.append, most=UNLIMITED)
    assert (finding, again.asked) == (whole, world.asked)
    assert [line.trial for line in said] == world.asked[stop:]


# Worlds of their own


# Pairs that pass alone, as they were seen: the first fails only where the second is the new one.
SEEDED = (
    ("transformers", "diffusers"),
    ("transformers", "accelerate"),
    ("bitsandbytes", "accelerate"),
    ("huggingface_hub", "tokenizers"),
    ("diffusers", "bitsandbytes"),
)
STACK = ("diffusers", "transformers", "accelerate", "bitsandbytes", "tokenizers", "huggingface_hub", "safetensors")


@pytest.mark.parametrize("pair", SEEDED, ids="-".join)
def test_a_fault_between_two_packages_is_an_interaction(pair: tuple[str, str]) -> None:
    """Seven packages move, two of them are bad together, and both are named, with what to pin."""
    world = World(tuple(map(group, STACK)), (fault(*pair),))
    finding = search(world, None)
    assert (finding.kind, blamed(finding), names(finding.held_back)) == (Kind.INTERACTION, [fault(*pair)], fault(*pair))
    assert finding.environments <= 14


def test_packages_that_only_move_together_are_one_culprit() -> None:
    """Neither is more to blame than the other."""
    tied = Group((Move("transformers", "5.17.0", "5.23.0"), Move("tokenizers", "0.23.2", "0.23.3")))
    world = World((*groups(2), tied), (fault("transformers"),))
    finding = search(world)
    assert (finding.kind, finding.culprits[0].groups) == (Kind.SINGLE, (tied.moves,))


def test_what_only_the_probe_knows_to_be_tied_cannot_be_told_apart() -> None:
    """Neither of two resolves without the other: they are suspects, and the candidate is good without both."""
    tied = (Rule(fault("b"), fault("c")), Rule(fault("c"), fault("b")))
    finding = search(World(groups(4), (fault("c"),), tied))
    assert (finding.kind, finding.culprits) == (Kind.NOT_SEPARABLE, ())
    assert names(finding.suspects) == names(finding.held_back) == fault("b", "c")
    assert len(finding.unresolved) == 2


def test_another_culprit_beside_those_that_are_tied_is_not_hidden() -> None:
    """It is named, and they are suspects."""
    tied = (Rule(fault("b"), fault("c")), Rule(fault("c"), fault("b")))
    for count in (8, 9):
        finding = search(World(groups(count), (fault("c"), fault("h")), tied))
        assert (finding.kind, blamed(finding), names(finding.suspects)) == (
            Kind.NOT_SEPARABLE,
            [fault("h")],
            fault("b", "c"),
        )
        assert names(finding.held_back) == fault("b", "c", "h")


def test_a_culprit_that_the_candidate_cannot_do_without_is_not_proven() -> None:
    """It is named, with what must stay back as well for the candidate to be seen good."""
    finding = search(World(groups(4), (fault("a"),), (Rule(fault("d"), fault("a")),)))
    assert (finding.kind, blamed(finding)) == (Kind.NOT_SEPARABLE, [fault("a")])
    assert names(finding.held_back) == fault("a", "d")
    assert _unsaid(finding, ("candidate without a 1 → 2", "cannot be resolved", "they need others")) == [[]]


def test_a_second_culprit_is_found_where_the_first_cannot_be_taken_back_alone() -> None:
    """What could not be resolved is said for each step."""
    finding = search(World(groups(4), (fault("a"), fault("c")), (Rule(fault("d"), fault("a")),)))
    assert (finding.kind, set(blamed(finding))) == (Kind.NOT_SEPARABLE, {fault("a"), fault("c")})
    assert names(finding.held_back) == fault("a", "c", "d")
    needs = ("cannot be resolved", "they need others")
    ends = ("candidate without a 1 → 2", *needs), ("incumbent with b 1 → 2 and d 1 → 2", *needs)
    assert _unsaid(finding, *ends) == [[], []]


def test_a_culprit_that_the_resolver_does_not_show_to_be_needed_is_named_all_the_same() -> None:
    """Each is bad alone, and the candidate is good without both; that it is bad without the second cannot be seen."""
    finding = search(World(groups(5), (fault("a"), fault("c")), (Rule(fault("a", "b"), fault("c")),)))
    assert (finding.kind, set(blamed(finding))) == (Kind.SEVERAL, {fault("a"), fault("c")})
    assert _unsaid(finding, ("candidate without c 1 → 2", "cannot be resolved", "they need others")) == [[]]


def test_a_candidate_that_cannot_do_without_its_culprit_at_all_is_said() -> None:
    """No counter-proof can be made, and there is nothing to pin."""
    tied = tuple(Rule(fault(each), fault("a")) for each in "bcd")
    finding = search(World(groups(4), (fault("a"),), tied))
    assert (finding.kind, blamed(finding), finding.held_back) == (Kind.NOT_SEPARABLE, [fault("a")], ())


def test_a_counter_proof_that_is_flaky_proves_nothing() -> None:
    """The culprit is a suspect only."""
    finding = search(World(groups(4), (fault("a"),), flaky=(fault("c"),)))
    assert (finding.kind, finding.culprits, names(finding.suspects)) == (Kind.CANNOT_TELL, (), fault("a"))
    ends = ("incumbent with a 1 → 2", "fails"), ("candidate without a 1 → 2", "not the same twice")
    assert _unsaid(finding, *ends) == [[], []]


def test_a_culprit_hides_what_another_does_at_a_later_stage() -> None:
    """The moved embeddings of one hide the moved transformer of the other; both are named."""
    stages = {fault("b"): 1, fault("d"): 2}
    finding = search(World(groups(5), tuple(stages), stages=stages))
    assert (finding.kind, set(blamed(finding))) == (Kind.SEVERAL, set(stages))
    assert [culprit.evidence for culprit in finding.culprits] == [1, 2]
    assert finding.evidence == 1


def test_evidence_that_a_culprit_does_not_explain_has_another() -> None:
    """The candidate without the first is good, but what it shows is more than the first shows alone."""
    stages = {fault("b"): 2, fault("b", "d"): 1}
    world = World(groups(5), tuple(stages), stages=stages)
    finding = search(world)
    assert (finding.kind, blamed(finding)) == (Kind.SEVERAL, [fault("b"), fault("b", "d")])
    assert [culprit.evidence for culprit in finding.culprits] == [2, 1]
    assert (names(finding.held_back), finding.unresolved) == (fault("b"), ())
    assert world.environments() == finding.environments == 8


def test_what_only_came_along_is_tried_with_what_brought_it() -> None:
    """A new package that another one needs costs no environment of its own."""
    new = tuple(Group((Move(name, None, "1"),)) for name in ("httpcore", "httpx"))
    world = World((*new, group("culprit", "httpcore", "httpx"), group("other")), (fault("culprit"),))
    finding = search(world)
    assert (blamed(finding), finding.culprits[0].along) == ([fault("culprit")], (new[0].moves[0], new[1].moves[0]))
    tried = [names(trial.moves) for trial in world.asked]
    assert fault("httpcore") not in tried
    assert finding.environments == 3


def test_what_a_culprit_needs_is_not_held_back_with_it() -> None:
    """Without the culprit, and what does not move without it, the candidate is good: the hub may move."""
    hub, culprit, other = group("hub"), group("culprit", "hub"), group("other", "culprit")
    finding = search(World((hub, culprit, other), (fault("culprit"),)))
    assert (finding.kind, blamed(finding)) == (Kind.SINGLE, [fault("culprit")])
    assert names(finding.held_back) == fault("culprit", "other")


def test_what_another_move_makes_up_for_is_not_held_back() -> None:
    """The first that is bad alone does no harm in the candidate, which is good without the second only."""
    world = World(groups(4), (fault("a"), fault("c")), cures={fault("a"): "d"})
    finding = search(world)
    assert (finding.kind, blamed(finding), names(finding.held_back)) == (Kind.SINGLE, [fault("c")], fault("c"))
    ends = ("incumbent with a 1 → 2", "fails"), ("candidate without c 1 → 2", "passes")
    assert _unsaid(finding, *ends) == [[], []]


def test_two_culprits_explain_what_neither_does_alone() -> None:
    """Their cases together are those of the candidate, so nobody else is looked for."""
    first, second = fault("b"), fault("d")

    def probe(trial: Trial) -> Result[frozenset[str]]:
        cases = names(trial.moves) & (first | second)
        return Result(BAD, cases) if cases else Result(GOOD)

    finding = find(groups(5), probe=probe, explains=frozenset.issuperset)
    assert (finding.kind, [culprit.evidence for culprit in finding.culprits]) == (Kind.SEVERAL, [first, second])
    assert (finding.environments, finding.unresolved) == (8, ())


def test_what_is_still_not_explained_is_said() -> None:
    """Two that each add to the first are not both named, but the candidate is said to fail without one."""
    stages = {fault("b"): 2, fault("b", "d"): 1, fault("b", "e"): 1}
    finding = search(World(groups(5), tuple(stages), stages=stages))
    assert blamed(finding) == [fault("b"), fault("b", "d")]
    assert _unsaid(finding, ("candidate without d 1 → 2", "fails")) == [[]]


def test_evidence_that_is_not_the_same_twice_blames_nobody_else() -> None:
    """The first culprit stays proven, and what changed is said."""

    def probe(trial: Trial) -> Result[str]:
        moved = names(trial.moves)
        if "b" not in moved:
            return Result(GOOD)
        return Result(BAD, "more" if "d" in moved and (trial.attempt == 1 or len(moved) == 4) else "less")

    finding = find(groups(4), probe=probe)
    assert (finding.kind, finding.culprits[0].evidence) == (Kind.SINGLE, "less")
    how = ("not the same twice", "bad at first", "in another way when repeated")
    assert _unsaid(finding, ("incumbent with b 1 → 2 and d 1 → 2", *how)) == [[]]


def test_evidence_that_a_culprit_explains_has_no_other() -> None:
    """Whoever compares evidence says what explains what."""
    stages = {fault("b"): 2, fault("b", "d"): 1}
    world = World(groups(5), tuple(stages), stages=stages)
    finding = find(world.groups, probe=world.probe, explains=lambda one, other: one > other)
    assert (finding.kind, blamed(finding)) == (Kind.SINGLE, [fault("b")])


@pytest.mark.parametrize("limit", range(4, 16))
def test_a_proven_culprit_stays_so_if_no_second_can_be_looked_for(limit: int) -> None:
    """It was seen from both ends; that its evidence does not explain the candidate's is said."""
    stages = {fault("a"): 2, fault("a", "e", "g"): 1}
    finding = search(World(groups(7), tuple(stages), stages=stages), limit)
    assert blamed(finding)[0] == fault("a")
    assert (finding.kind is Kind.SEVERAL) != ("No more environments may be tried." in finding.unresolved)

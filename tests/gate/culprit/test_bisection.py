"""Tests of bisecting releases: past what cannot be judged, and with what does not stay bad."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.gate.culprit.bisection import Range, Unjudged, bisect_releases, most_environments, sentence
from fluxgate.gate.culprit.outcomes import BAD, FAILED, FLAKY, GOOD, UNRESOLVABLE, Outcome, Result, Trial
from fluxgate.gate.culprit.prober import Announcement
from fluxgate.gate.culprit.releases import Release
from fluxgate.report.gate_result import Move
from tests.wording import unsaid

MOVE = Move("diffusers", "0", "99")


@dataclass
class Row:
    """The outcomes of all versions from the old one to the new one."""

    outcomes: Sequence[Outcome]
    yanked: frozenset[int] = frozenset()
    changes: frozenset[int] = frozenset()  # those that are the other when they are repeated
    asked: list[Trial] = field(default_factory=list)

    @property
    def releases(self) -> tuple[Release, ...]:
        inner = range(1, len(self.outcomes) - 1)
        return tuple(Release(str(number), yanked=number in self.yanked) for number in inner)

    @property
    def move(self) -> Move:
        return replace(MOVE, new=str(len(self.outcomes) - 1))

    def place(self, trial: Trial) -> int:
        mine = [each for each in trial.moves if each.package == MOVE.package]
        return int(mine[0].new or "0") if mine else 0

    def probe(self, trial: Trial) -> Result[int]:
        self.asked.append(trial)
        place = self.place(trial)
        outcome = self.outcomes[place]
        if place in self.changes and outcome in (GOOD, BAD) and trial.attempt > 1:
            outcome = GOOD if outcome is BAD else BAD
        return Result(outcome, evidence=place if outcome is BAD else None, why="no wheel" if outcome is FAILED else "")

    def bisect(self) -> Range[int]:
        return bisect_releases(self.move, releases=self.releases, probe=self.probe)


def row(good: int, bad: int) -> list[Outcome]:
    return [GOOD] * good + [BAD] * bad


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Good ones, then bad ones; some cannot be judged, some are yanked, and some change."""
    outcomes = row(draw(st.integers(1, 30)), draw(st.integers(1, 30)))
    inner = st.frozensets(st.integers(1, max(1, len(outcomes) - 2)), max_size=min(5, len(outcomes) - 2))
    for place in draw(inner):
        outcomes[place] = draw(st.sampled_from((FAILED, FLAKY, UNRESOLVABLE)))
    return Row(outcomes, yanked=draw(inner), changes=draw(inner))


@given(st.integers(1, 60), st.integers(1, 60))
def test_the_first_bad_release_is_found(good: int, bad: int) -> None:
    """In as many environments as the logarithm has, and two that look for an exception."""
    tried = Row(row(good, bad))
    turn = tried.bisect()
    assert (turn.good, turn.bad, turn.first_bad, turn.evidence) == (str(good - 1), str(good), str(good), good)
    assert (turn.between, turn.good_again) == ((), ())
    assert turn.environments <= (good + bad).bit_length() + 2


@given(rows())
def test_the_range_is_as_narrow_as_can_be_told(tried: Row) -> None:
    """It ends in releases that are good twice and bad twice; what lies between could not be judged, and says why."""
    turn = tried.bisect()
    assert turn.good is not None
    assert turn.bad is not None
    low, high = int(turn.good), int(turn.bad)
    last = len(tried.outcomes) - 1
    assert (tried.outcomes[low], tried.outcomes[high]) == (GOOD, BAD)
    assert {low, high}.isdisjoint(tried.yanked | tried.changes - {0, last})
    assert [each.version for each in turn.between] == [str(place) for place in range(low + 1, high)]
    assert turn.environments <= most_environments(len(tried.releases))


@given(rows())
def test_nothing_is_asked_twice_and_nothing_yanked_at_all(tried: Row) -> None:
    """But for what is repeated on purpose."""
    tried.bisect()
    assert max(Counter(tried.asked).values()) == 1
    assert {tried.place(trial) for trial in tried.asked}.isdisjoint(tried.yanked)


def test_what_lies_between_says_why() -> None:
    """Yanked, without a wheel, not resolved, or not the same twice."""
    outcomes = [GOOD, GOOD, FAILED, UNRESOLVABLE, FLAKY, BAD, BAD, BAD]
    turn = Row(outcomes, yanked=frozenset({5})).bisect()
    assert (turn.good, turn.bad, turn.first_bad) == ("1", "6", None)
    assert turn.between == (
        Unjudged("2", "could not be made: no wheel"),
        Unjudged("3", "cannot be resolved"),
        Unjudged("4", "is not the same twice"),
        Unjudged("5", "is yanked"),
    )


def test_a_long_hole_ends_in_a_range() -> None:
    """Not all of a hundred releases that do not build are tried."""
    turn = Row([GOOD, *[FAILED] * 100, BAD]).bisect()
    assert (turn.good, turn.bad, len(turn.between)) == ("0", "101", 100)
    assert turn.environments == most_environments(100)
    assert "was not tried" in {each.why for each in turn.between}


def test_what_was_fixed_and_broken_again_is_said() -> None:
    """The last turn counts, since it is what the new version has; and the release that was good again is named."""
    turn = Row([*row(3, 20), *row(20, 20)]).bisect()
    assert (turn.good, turn.first_bad, len(turn.good_again)) == ("42", "43", 1)
    assert 23 <= int(turn.good_again[0]) <= 42


def test_what_was_fixed_more_than_once_ends_at_the_last_turn() -> None:
    """Each time, what lies beyond is looked at again."""
    turn = Row([*row(21, 4), *row(17, 34), *row(8, 13), *row(10, 3)]).bisect()
    assert (turn.good, turn.first_bad, turn.good_again) == ("106", "107", ("82", "102"))


def test_a_bad_release_among_the_good_ones_is_said() -> None:
    """Where it is looked at."""
    outcomes = row(40, 40)
    outcomes[10] = BAD
    turn = Row(outcomes).bisect()
    assert turn.first_bad == "40"
    assert turn.good_again == ("20",)


@pytest.mark.parametrize("changing", [19, 20])
def test_an_end_that_is_not_the_same_twice_is_passed_over(changing: int) -> None:
    """Neither the first bad release nor the last good one may be a chance."""
    turn = Row(row(20, 20), changes=frozenset({changing})).bisect()
    assert [each.version for each in turn.between] == [str(changing)]
    assert not unsaid(turn.between[0].why, "not the same twice")


@pytest.mark.parametrize(
    "outcomes, good, bad, said",
    [
        ((BAD, BAD, BAD), None, "2", "diffusers 0 fails."),
        ((GOOD, BAD, GOOD), "0", None, "diffusers 2 passes."),
        ((FAILED, BAD, BAD), None, "2", "diffusers 0 could not be made."),
    ],
)
def test_both_ends_are_confirmed_first(
    outcomes: tuple[Outcome, ...], good: str | None, bad: str | None, said: str
) -> None:
    """Nothing between them is tried if they are not what they must be."""
    tried = Row(outcomes)
    turn = tried.bisect()
    assert (turn.good, turn.bad, turn.unresolved, turn.environments) == (good, bad, (said,), 0)
    assert turn.first_bad is None
    assert {tried.place(trial) for trial in tried.asked} == {0, 2}


def test_a_new_version_that_is_bad_once_is_not_bisected() -> None:
    """It is probed again first."""
    turn = Row(row(2, 2), changes=frozenset({3})).bisect()
    assert (turn.bad, turn.environments) == (None, 0)
    assert [unsaid(one, "diffusers 3", "not the same twice") for one in turn.unresolved] == [[]]


def test_commits_are_bisected_like_releases() -> None:
    """In the order in which they are handed in, and with what else has to move."""
    along = Move("huggingface_hub", "0.36.0", "1.6.0")
    commits, said = ["f3", "0a", "77", "c1"], list[Announcement]()

    def probe(trial: Trial) -> Result[str]:
        version = next((each.new for each in trial.moves if each.package == "diffusers"), None)
        assert along in trial.moves
        return Result(BAD if version in ("77", "c1", "0.36.0") else GOOD)

    turn = bisect_releases(
        Move("diffusers", "0.35.2", "0.36.0"),
        releases=[Release(each) for each in commits],
        probe=probe,
        report=said.append,
        along=[along],
    )
    assert (turn.good, turn.first_bad) == ("0a", "77")
    assert [line.number for line in said if line.number] == list(range(1, turn.environments + 1))


def test_a_bisection_goes_on_where_it_was() -> None:
    """With the results that were written, nothing is probed again."""
    tried, results = Row(row(30, 20)), dict[Trial, Result[int]]()
    first = bisect_releases(tried.move, releases=tried.releases, probe=tried.probe, results=results)
    asked = len(tried.asked)
    again = bisect_releases(tried.move, releases=tried.releases, probe=tried.probe, results=results)
    assert (again, len(tried.asked)) == (first, asked)


@pytest.mark.parametrize(
    "turn, text",
    [
        (
            Range[int]("transformers", "4.56.2", "4.57.0"),
            "transformers 4.57.0 is the first version that fails; 4.56.2 passes.",
        ),
        (
            Range[int]("transformers", "4.56.2", "4.57.1", (Unjudged("4.57.0", "is yanked"),)),
            "transformers passes with 4.56.2 and fails with 4.57.1; between them, 4.57.0 is yanked.",
        ),
        (
            Range[int]("diffusers", "0.41.0", "0.42.1", good_again=("0.40.1",)),
            "diffusers 0.42.1 is the first version that fails; 0.41.0 passes. "
            "An earlier one failed, too, before 0.40.1 passed again.",
        ),
        (
            Range[int]("diffusers", None, "0.42.1", unresolved=("diffusers 0.35.2 fails.",)),
            "diffusers cannot be bisected. diffusers 0.35.2 fails.",
        ),
    ],
)
def test_a_range_is_said_in_a_sentence(turn: Range[int], text: str) -> None:
    """The release that did it, or what is known of where it is."""
    assert sentence(turn) == text

"""Tests of the row in which good turns bad somewhere."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.gate.culprit.boundary import boundary
from fluxgate.gate.culprit.outcomes import BAD, FAILED, FLAKY, GOOD, UNRESOLVABLE, Outcome

NEITHER = (FAILED, FLAKY, UNRESOLVABLE)


@st.composite
def rows(draw: st.DrawFn, longest: int = 40) -> list[Outcome]:
    """Good ones, then bad ones, with holes anywhere but at the ends."""
    good, bad = draw(st.integers(1, longest)), draw(st.integers(1, longest))
    row = [GOOD] * good + [BAD] * bad
    for place in draw(st.frozensets(st.integers(1, max(1, len(row) - 2)), max_size=len(row) - 2)):
        row[place] = draw(st.sampled_from(NEITHER))
    return row


@given(rows(), st.floats(0, 1))
def test_the_boundary_is_as_narrow_as_can_be_told(row: list[Outcome], share: float) -> None:
    """It ends at the last good place and the first bad one, and asks no place twice."""
    asked: list[int] = []

    def judge(place: int) -> Outcome:
        asked.append(place)
        return row[place]

    low, high = boundary(0, len(row) - 1, judge, share=share)
    assert low == max(place for place, outcome in enumerate(row) if outcome is GOOD)
    assert high == min(place for place, outcome in enumerate(row) if outcome is BAD)
    assert len(asked) == len(set(asked))
    assert {0, len(row) - 1}.isdisjoint(asked)


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_without_holes_it_takes_the_logarithm(good: int, bad: int) -> None:
    """Each question halves what is left."""
    asked: list[int] = []

    def judge(place: int) -> Outcome:
        asked.append(place)
        return GOOD if place < good else BAD

    boundary(0, good + bad - 1, judge)
    assert len(asked) <= math.ceil(math.log2(good + bad - 1)) + 1


@pytest.mark.parametrize("first", [20, 70])
def test_a_hole_is_left_at_once(first: int) -> None:
    """A row of releases that do not build, around the middle, costs one question more, not all of them."""
    asked: list[int] = []

    def judge(place: int) -> Outcome:
        asked.append(place)
        return FAILED if 40 <= place < 60 else GOOD if place < first else BAD

    assert boundary(0, 100, judge) == (first - 1, first)
    assert len(asked) <= 9


def test_the_share_says_where_the_first_question_goes() -> None:
    """Two thirds of the row lie below it."""
    asked: list[int] = []

    def judge(place: int) -> Outcome:
        asked.append(place)
        return BAD

    boundary(0, 9, judge, share=2 / 3)
    assert asked == [6, 4, 3, 2, 1]

"""Tests of the exact Mann–Whitney test, against all ways to deal the numbers and against scipy where it is there."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.compare.rank_sums import doubled_ranks, least_p_value, p_value

SAMPLES = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=5)


@given(SAMPLES, SAMPLES)
def test_it_counts_all_ways(one: list[float], other: list[float]) -> None:
    """Those that are at least so far from the middle, of all that there are."""
    ranks = doubled_ranks([*one, *other])
    middle = len(one) * (len(ranks) + 1)
    sums = [sum(dealt) for dealt in combinations(ranks, len(one))]
    distance = abs(sum(ranks[: len(one)]) - middle)
    assert p_value(one, other) == pytest.approx(sum(abs(each - middle) >= distance for each in sums) / len(sums))


def test_it_is_what_others_compute() -> None:
    """Four against four that do not overlap, the smallest samples that can decide."""
    assert p_value([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(2 / 70)
    assert (least_p_value(4, 4) < 0.05, least_p_value(3, 3) < 0.05, least_p_value(1, 2) < 0.05) == (True, False, False)
    mannwhitneyu = pytest.importorskip("scipy.stats").mannwhitneyu
    one, other = [1.1, 2.5, 0.3, 4.4, 5.0], [2.6, 6.1, 7.2, 5.5]
    assert p_value(one, other) == pytest.approx(mannwhitneyu(one, other, method="exact").pvalue)


def test_equal_samples_are_as_near_as_can_be() -> None:
    """Every way to deal them is at least so far apart."""
    assert p_value([2.0, 2.0, 2.0], [2.0, 2.0, 2.0]) == 1


def test_the_least_that_samples_can_reach_is_a_probability() -> None:
    """Two of the ways to deal them, where there are as many."""
    assert least_p_value(4, 4) == pytest.approx(2 / 70)
    assert (least_p_value(1, 1), least_p_value(1, 0)) == (1, 1)

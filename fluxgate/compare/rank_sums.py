"""The exact Mann–Whitney test: whether two small samples could well be of one kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import comb


def p_value(one: Sequence[float], other: Sequence[float]) -> float:
    """The share of all ways to deal these numbers that set the two at least so far apart, ties counted as halves."""
    ranks = doubled_ranks([*one, *other])
    dealt = sums_of(ranks, len(one))
    middle = len(one) * (len(ranks) + 1)
    distance = abs(sum(ranks[: len(one)]) - middle)
    as_far = sum(ways for total, ways in dealt.items() if abs(total - middle) >= distance)
    return as_far / comb(len(ranks), len(one))


def least_p_value(ones: int, others: int) -> float:
    """What samples of these sizes can reach at all: two of as many ways as there are."""
    return min(1.0, 2 / comb(ones + others, ones))


def doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the place of each value in order, so that ties, which share the mean of theirs, have whole numbers."""
    counts = Counter(values)
    place, ranks = 0, dict[float, int]()
    for value in sorted(counts):
        ranks[value] = 2 * place + counts[value] + 1
        place += counts[value]
    return [ranks[value] for value in values]


def sums_of(ranks: Sequence[int], taken: int) -> Counter[int]:
    """In how many ways so many of the ranks have each sum."""
    ways: list[Counter[int]] = [Counter({0: 1}), *(Counter() for _ in range(taken))]
    for rank in ranks:
        for count in range(taken, 0, -1):
            for total, number in ways[count - 1].items():
                ways[count][total + rank] += number
    return ways[taken]

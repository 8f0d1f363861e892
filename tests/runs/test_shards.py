"""Tests of shards: every case in one of them, evenly, and the same on every machine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fluxgate.cases import Case
from fluxgate.refusal import Refusal
from fluxgate.runs.shards import Shard, deal, parse_shard
from tests.runs.building import FULL, SUBJECT, strategy


def cases(count: int, **promise: str) -> list[Case]:
    """So many cases of the tiny subject, each with the promise, beside the reference."""
    others = [Case(SUBJECT, strategy(f"other-{number}", **promise), "cuda") for number in range(count)]
    return [Case(SUBJECT, FULL, "cuda"), *others]


@pytest.mark.parametrize(
    "text", ["0/2", "3/2", "2", "2/", "/2", "a/b", "1/0", "-1/2", "1/2/3", "1/9999", "²/3", " 1/2"]
)
def test_what_is_no_shard_is_refused(text: str) -> None:
    """One sentence that names the option."""
    with pytest.raises(Refusal, match="--shard"):
        parse_shard(text, option="--shard")


def test_a_shard_reads_as_it_is_typed() -> None:
    """Its part first, and then how many there are."""
    assert parse_shard("2/5", option="--shard") == Shard(2, 5)
    assert str(Shard(2, 5)) == "2/5"


@given(some.lists(some.floats(0.1, 100), max_size=40), some.integers(1, 7))
def test_every_case_is_in_one_shard(seconds: list[float], shards: int) -> None:
    """And in one that there is; the order in which cases are given changes nothing."""
    every = cases(len(seconds))
    known = {case.id: value for case, value in zip(every, seconds, strict=False)}
    dealt = deal(every, known, shards)
    assert set(dealt) == {case.id for case in every}
    assert set(dealt.values()) <= set(range(1, shards + 1))
    assert deal(list(reversed(every)), dict(reversed(known.items())), shards) == dealt


@given(some.lists(some.floats(1, 100), min_size=8, max_size=60), some.integers(2, 5))
def test_shards_end_within_one_case_of_each_other(seconds: list[float], shards: int) -> None:
    """Where no case needs another: the longest first, each to the shard with the least."""
    every = cases(len(seconds))[1:]
    known = {case.id: value for case, value in zip(every, seconds, strict=True)}
    dealt = deal(every, known, shards)
    loads = [sum(known[each] for each, shard in dealt.items() if shard == one) for one in range(1, shards + 1)]
    assert max(loads) - min(loads) <= max(seconds)


def test_a_reference_counts_where_it_must_be_rendered() -> None:
    """Beside a case of four seconds, three of one second stay where the reference is that they all need."""
    every = cases(3, reproduces="full")
    alone = Case(SUBJECT, strategy("alone"), "cuda")
    seconds = {**{case.id: 1.0 for case in every}, every[0].id: 3.0, alone.id: 4.0}
    dealt = deal([*every, alone], seconds, 2)
    assert {dealt[case.id] for case in every} == {2}
    assert dealt[alone.id] == 1


def test_what_cannot_be_rendered_costs_nothing() -> None:
    """It has a shard all the same, which says why."""
    first, *others = cases(3)
    every = [replace(first, unsupported="no GPU"), *others]
    dealt = deal(every, {first.id: 1000.0, **{case.id: 1.0 for case in others}}, 3)
    assert len({dealt[case.id] for case in others}) == 3
    assert first.id in dealt

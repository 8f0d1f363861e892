"""Shards: a session's cases dealt out to several machines of one kind, the same way on each of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fluxgate.cases import Case
from fluxgate.options import whole_number
from fluxgate.refusal import Refusal
from fluxgate.rendering import id_of_case

MOST_SHARDS = 1000


@dataclass(frozen=True)
class Shard:
    """One of several parts of a session."""

    number: int  # from 1
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def parse_shard(text: str, *, option: str) -> Shard:
    """A shard as it is typed: 2/5."""
    number, slash, of = text.partition("/")
    if not slash or not re.fullmatch(r"\d{1,4}/\d{1,4}", text, re.ASCII):
        raise Refusal(f"{option} is {text!r}; it must be like 2/5, the second of five parts.")
    shards = whole_number(of, option=f"{option}: the number of parts", most=MOST_SHARDS)
    return Shard(whole_number(number, option=f"{option}: the part", most=shards), shards)


def deal(cases: Iterable[Case], seconds: Mapping[str, float], shards: int) -> dict[str, int]:
    """Case -> the shard that renders it: the longest first, each where the work then is least.

    A shard also renders what its cases are compared with; that counts where it is not there yet. `seconds` of cases
    must be the same on every machine, so they come from what was accepted and not from runs."""
    by_id = {case.id: case for case in cases}
    typical = sorted(seconds.values())[len(seconds) // 2] if seconds else 1.0
    cost = {case_id: seconds.get(case_id, typical) * (case.unsupported is None) for case_id, case in by_id.items()}
    rendered: list[set[str]] = [set() for _ in range(shards)]
    loads, dealt = [0.0] * shards, {}
    for case_id in sorted(by_id, key=lambda each: (-cost[each], each)):
        needed = _needed(by_id[case_id])
        added = [sum(cost.get(each, typical) for each in needed - rendered[index]) for index in range(shards)]
        index = min(range(shards), key=lambda each: (loads[each] + added[each], each))
        loads[index] += added[index]
        rendered[index] |= needed
        dealt[case_id] = index + 1
    return dealt


def _needed(case: Case) -> set[str]:
    """The cases that are rendered to judge one, itself among them."""
    if case.unsupported is not None:
        return set()
    return {case.id, *(id_of_case(case.subject.name, name) for name in case.strategy.promise.compared_with)}

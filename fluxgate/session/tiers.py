"""Tiers: every case, or one of each kind."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from fluxgate.cases import Case
from fluxgate.options import suggestion
from fluxgate.refusal import Refusal


class Tier(StrEnum):
    SHORT = "short"
    ALL = "all"


# What reddened every real regression so far: of each row the first that can run here. Strategies of one's own
# are in every tier: nobody has seen yet what they miss.
SHORT = (
    ("full",),
    ("full-float32",),
    ("nf4", "nf4-linear", "nf4-t5"),
    ("int8-reloaded", "int8-t5-reloaded", "int8-t5"),
    ("model-offload", "group-offload-leaf", "sequential-offload"),
    ("staged",),
)


def cases_of(tier: Tier, cases: Iterable[Case]) -> tuple[Case, ...]:
    """The cases of a tier, out of the matrix. A case that cannot run there is among them: a gate's candidate may."""
    cases = tuple(cases)
    if tier is Tier.ALL:
        return cases
    chosen = []
    for subject in dict.fromkeys(case.subject.name for case in cases):
        by_name = {case.strategy.name: case for case in cases if case.subject.name == subject}
        for row in SHORT:
            there = [by_name[name] for name in row if name in by_name]
            chosen += [next((case for case in there if case.unsupported is None), there[0])] if there else []
        chosen += filter(_is_ones_own, by_name.values())
    return tuple(chosen)


def tier_named(name: str, *, option: str) -> Tier:
    """The tier of that name."""
    names = [tier.value for tier in Tier]
    if name not in names:
        raise Refusal(f"{option} {name!r} is {'unknown' if name else 'empty'}; {suggestion(name, names)}")
    return Tier(name)


def _is_ones_own(case: Case) -> bool:
    return case.strategy.load.__module__.partition(".")[0] != "fluxgate"

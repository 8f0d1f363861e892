"""Tests of the tiers: every case, or one of each kind."""

from __future__ import annotations

from dataclasses import replace

from fluxgate.cases import Case
from fluxgate.session.tiers import SHORT, Tier, cases_of
from fluxgate.strategies import STRATEGIES
from tests.runs.building import SUBJECT

MATRIX = tuple(Case(SUBJECT, strategy, "cpu") for strategy in STRATEGIES)


def test_the_short_tier_names_strategies_that_there_are() -> None:
    """A name that nobody has would never be rendered."""
    assert {name for row in SHORT for name in row} <= {strategy.name for strategy in STRATEGIES}


def test_the_short_tier_has_one_case_of_each_kind() -> None:
    """Where the first of a kind cannot run, the next one stands in."""
    gone = {"nf4": "no GPU", "int8-reloaded": "no GPU"}
    matrix = [replace(case, unsupported=gone.get(case.strategy.name)) for case in MATRIX]
    assert [case.strategy.name for case in cases_of(Tier.SHORT, matrix)] == [
        "full",
        "full-float32",
        "nf4-linear",
        "int8-t5-reloaded",
        "model-offload",
        "staged",
    ]


def test_all_is_all() -> None:
    """The whole matrix."""
    assert cases_of(Tier.ALL, MATRIX) == MATRIX

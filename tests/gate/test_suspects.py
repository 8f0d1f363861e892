"""Tests of who is suspected first: by the stage, by an error's words, and by which cases moved."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fluxgate.gate.culprit.moves import by_suspicion, groups_of
from fluxgate.gate.suspects import packages_of, suspects
from fluxgate.rendering import DECODED, FIRST, STAGES, T5
from fluxgate.report.gate_result import CaseOutcome, CaseResult, Move
from fluxgate.strategies import STRATEGIES
from tests.runs import building

HUB, TRANSFORMERS = Move("huggingface-hub", "0.36.0", "1.6.0"), Move("transformers", "4.57.6", "5.2.0")
CHANGED, DRIFTED, IDENTICAL = CaseOutcome.CHANGED, CaseOutcome.DRIFTED, CaseOutcome.IDENTICAL


def of(outcomes: Sequence[CaseResult], *, moves: tuple[Move, ...] = (), said: str = "") -> tuple[str, ...]:
    return suspects(moves, outcomes, said=said, strategies=STRATEGIES)


def case(strategy: str, outcome: CaseOutcome, stage: str | None = None) -> CaseResult:
    """The miniature with a strategy, rendered in both stacks."""
    return CaseResult(
        f"miniature-{strategy}", "miniature", strategy, outcome, "it moved", stage=stage, pictures_compared=8
    )


def moved(*strategies: str, still: Sequence[str] = ("full", "staged"), stage: str | None = FIRST) -> list[CaseResult]:
    """Some that changed, and some that did not."""
    return [*(case(name, CHANGED, stage) for name in strategies), *(case(name, IDENTICAL) for name in still)]


def test_every_stage_has_suspects() -> None:
    """And each begins with the package that works there."""
    assert {stage: of([case("full", CHANGED, stage)])[0] for stage in STAGES} == {
        stage: "transformers" if "embeddings" in stage else "diffusers" for stage in STAGES
    }


@pytest.mark.parametrize(
    ("strategies", "first"),
    [
        (["nf4-linear"], ["bitsandbytes"]),
        (["nf4-linear", "int8-t5-reloaded"], ["bitsandbytes"]),
        (["torchao-int8wo"], ["torchao"]),
        (["quanto-int8"], ["optimum-quanto"]),
        (["gguf-q8"], ["gguf"]),
        (["lora", "lora-unloaded", "nf4-linear"], ["peft", "bitsandbytes"]),
        (["model-offload", "sequential-offload"], ["accelerate", "diffusers"]),
    ],
)
def test_who_is_used_by_nothing_but_what_moved_comes_first(strategies: list[str], first: list[str]) -> None:
    """Whatever the stage: what works there was at work in the cases that stayed as well."""
    for stage in (T5, FIRST, DECODED, None):
        assert list(of(moved(*strategies, stage=stage)))[: len(first)] == first


def test_one_that_stayed_may_use_it_too() -> None:
    """A kernel of NF4's need not be one of eight bits'."""
    assert of(moved("nf4-linear", still=["full", "int8-t5"]))[0] == "bitsandbytes"


@pytest.mark.parametrize(
    "outcomes",
    [
        moved("nf4-linear", still=[]),
        moved("nf4-linear", still=["int8-t5"]),
        moved("nf4-linear", "full", still=["staged"]),
        [*moved("nf4-linear"), case("full-float32", DRIFTED, T5)],
        [*moved("nf4-linear", still=[]), CaseResult("miniature-full", "miniature", "full", IDENTICAL, "it crashes")],
    ],
)
def test_without_a_contrast_the_stage_decides(outcomes: list[CaseResult]) -> None:
    """Where nothing else stayed, or something else moved, or crashes in both stacks, it says nothing of the package."""
    assert of(outcomes)[0] == "diffusers"


def test_an_error_that_names_a_package_comes_first() -> None:
    """It was seen; what the cases have in common is only likely."""
    order = of(moved("nf4-linear", stage=None), moves=(TRANSFORMERS,), said="transformers 5 is required")
    assert list(order[:2]) == ["transformers", "bitsandbytes"]


def test_ones_own_strategies_ask_for_nothing() -> None:
    """Their needs may be any function."""
    assert packages_of(building.strategy("own")) == frozenset()
    assert of([CaseResult("tiny-own", "tiny", "own", CHANGED, "it moved", stage=FIRST)])[0] == "diffusers"


@pytest.mark.parametrize(
    ("error", "first"),
    [
        ("Int8Params.__new__() got an unexpected keyword argument '_is_hf_initialized'", TRANSFORMERS),
        ("huggingface-hub>=0.34.0,<1.0 is required for a normal functioning of this module", HUB),
    ],
)
def test_of_what_only_moves_together_the_likelier_is_named_first(error: str, first: Move) -> None:
    """Who loads models comes before the hub's client, unless the error names that."""
    moves = (HUB, TRANSFORMERS)
    groups = groups_of(moves, closure=lambda _: frozenset({HUB.package, TRANSFORMERS.package}))
    (group,) = by_suspicion(groups, suspects=of([case("full", CHANGED)], moves=moves, said=error))
    assert group.moves[0] == first

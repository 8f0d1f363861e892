"""Tests of what a strategy is made of: a function, a promise, and a way to another process."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from suite.render.jobs import function_named, name_of
from suite.rendering import DECODE, PHASES
from suite.strategies import STRATEGIES
from suite.strategies.promise import Promise, Site, Strategy, dtype_setting, strategy
from suite.strategies.requirements import Release
from suite.subjects.subject import Subject
from tests.strategies.machines import CPU


@strategy(
    approximates="full",
    less_memory_than="full",
    less_during=(DECODE,),
    needs=(Release("nothing", "1.0", to="do that"),),
    slow=True,
)
def made_here(site: Site) -> Any:
    """The first line says what it is about.

    The rest is for those who read the code."""
    return site


def test_a_function_becomes_a_strategy() -> None:
    """Name, family and description come from the function, its file and its docstring."""
    assert isinstance(made_here, Strategy)
    assert (made_here.name, made_here.family) == ("made-here", "test_promise")
    assert made_here.about == "The first line says what it is about."
    assert made_here.promise == Promise(approximates="full", less_memory_than="full", less_during=(DECODE,))
    assert (made_here.slow, made_here.gpus) == (True, 1)
    assert made_here.load("a site") == "a site"  # type: ignore[arg-type]


def test_needs_become_the_reason() -> None:
    """What the decorator is told to need is asked of machine and stack."""
    subject = Subject("small", "a small pipeline", "folder:.", ())
    assert made_here.unsupported(subject, CPU, {}) == "nothing is needed to do that; it is not installed"
    assert made_here.unsupported(subject, CPU, {"nothing": "1.0"}) is None


@pytest.mark.parametrize("strategy", [*STRATEGIES, made_here], ids=lambda strategy: strategy.name)
def test_a_strategys_function_is_found_by_its_name(strategy: Strategy) -> None:
    """That is how it gets to a worker, whichever module it was written in and whatever the strategy is called now."""
    renamed = replace(strategy, name="another", slow=False)
    assert function_named(name_of(renamed.load)) is strategy.load


@pytest.mark.parametrize("field", ["about", "family"])
def test_every_strategy_says_what_it_is(field: str) -> None:
    """The tables have something to print for each."""
    assert all(getattr(strategy, field) for strategy in STRATEGIES)
    assert all(strategy.about.endswith(".") for strategy in STRATEGIES)


def test_a_promise_names_what_it_is_compared_with() -> None:
    """Its reference first, then the strategy that it undercuts; the reference of all is compared with nothing."""
    assert Promise(reproduces="nf4", less_memory_than="full").compared_with == ("nf4", "full")
    assert Promise(approximates="full").compared_with == ("full",)
    assert Promise().compared_with == ()


def test_memory_is_promised_for_all_phases_unless_said_otherwise() -> None:
    """The default leaves no phase out."""
    assert Promise(less_memory_than="full").less_during == PHASES


@pytest.mark.parametrize(
    "library, version, name",
    [
        ("diffusers", "0.39.0", "torch_dtype"),
        ("diffusers", "0.40.0", "dtype"),
        ("transformers", "4.55.4", "torch_dtype"),
        ("transformers", "4.56.0", "dtype"),
        ("transformers", "5.17.0", "dtype"),
    ],
)
def test_the_dtype_is_given_under_the_releases_own_name(library: str, version: str, name: str) -> None:
    """Newer releases have renamed the argument, and warn of the old name."""
    assert dtype_setting(SimpleNamespace(__name__=library, __version__=version), "bfloat16") == {name: "bfloat16"}

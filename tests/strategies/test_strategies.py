"""Tests of the registry: the table's order, names, and promises as they can be judged on a machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fluxgate.cases import matrix
from fluxgate.refusal import Refusal
from fluxgate.strategies import STRATEGIES, settled, strategy_named
from fluxgate.strategies.effects import FILES, LARGE, Layers
from fluxgate.subjects.subject import Subject
from tests.strategies.machines import CPU, H100, NEW

SUBJECT = Subject("small", "a small pipeline", "folder:.", ())
NAMES = [strategy.name for strategy in STRATEGIES]


def test_names_are_unique() -> None:
    """A name picks one strategy."""
    assert len(set(NAMES)) == len(NAMES)


def test_every_strategy_named_in_a_promise_exists_and_stands_earlier() -> None:
    """References come before what is compared with them, so the table reads from top to bottom."""
    for place, strategy in enumerate(STRATEGIES):
        named = {strategy.promise.reference, strategy.promise.less_memory_than} - {None}
        assert named <= set(NAMES[:place])


def test_only_full_has_no_reference() -> None:
    """Every other strategy's pictures are held against some other's."""
    assert [strategy.name for strategy in STRATEGIES if strategy.promise.reference is None] == ["full"]


def test_no_strategy_promises_to_reproduce_and_to_approximate() -> None:
    """One of the two is what is judged."""
    assert not [s.name for s in STRATEGIES if s.promise.reproduces and s.promise.approximates]


def test_every_strategy_has_an_effect() -> None:
    """Nothing is taken on trust."""
    assert all(strategy.promise.effects for strategy in STRATEGIES)


def test_what_waits_in_files_must_not_be_in_memory_too() -> None:
    """Every strategy that leaves files promises to spare the host."""
    leave_files = {s.name for s in STRATEGIES if FILES in {getattr(each, "what", "") for each in s.promise.effects}}
    assert {s.name for s in STRATEGIES if s.promise.spares_host} == leave_files
    assert "group-offload-disk" in leave_files


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    """The refusal lists them."""
    with pytest.raises(Refusal, match="there is no strategy 'nf5'; there are full, sequential-offload, "):
        strategy_named("nf5")


def test_a_promise_is_inherited_where_its_reference_cannot_run() -> None:
    """On a CPU nf4 is unsupported, so what reproduces nf4 promises what nf4 does: to approximate full."""
    here, there = (settled(strategy_named("nf4-linear"), SUBJECT, machine, NEW).promise for machine in (H100, CPU))
    assert (here.reproduces, here.approximates) == ("nf4", None)
    assert (there.reproduces, there.approximates) == (None, "full")


def test_effects_are_bound_to_the_subject() -> None:
    """A case's strategy speaks of the subject's own components."""
    subject = replace(SUBJECT, large=("unet",))
    promise = settled(strategy_named("nf4-linear"), subject, CPU, NEW).promise
    assert Layers("Linear4bit", of=LARGE) not in promise.effects
    assert Layers("Linear4bit", of=("unet",)) in promise.effects


def test_the_matrix_holds_settled_strategies() -> None:
    """Every case's promise is the one that is judged on its machine."""
    cases = {case.strategy.name: case for case in matrix([SUBJECT], STRATEGIES, machine=CPU, stack=NEW)}
    assert cases["nf4-linear"].strategy.promise.approximates == "full"
    assert cases["nf4"].unsupported is not None

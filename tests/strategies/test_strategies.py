"""Tests of the registry: the table's order, names, and what promises must say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fluxgate.strategies import STRATEGIES, coarse, offloading
from fluxgate.strategies.effects import FILES
from tests.strategies.named import strategy_named

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


UNCHANGED = {"offloading", "decoding", "staging", "caching", "compiling", "parallel"}


def test_what_stores_weights_otherwise_promises_to_change_them() -> None:
    """Whatever file a strategy stands in: one that quantizes and gives full's pictures did nothing."""
    changing = {strategy.name for strategy in STRATEGIES if strategy.promise.changes_weights}
    staged_in_float16 = {"staged-as-published", "staged-float16"}
    others = {s.name for s in STRATEGIES if s.family not in UNCHANGED} - {
        "lora-unloaded",
        "ip-adapter-off",
        "ip-adapter-unloaded",
    }
    assert changing == staged_in_float16 | others
    assert {"torchao-int8wo", "quanto-int8", "gguf-q8", "fp8-layerwise", "full-float32"} <= changing


@pytest.mark.parametrize(
    "control, names",
    [
        ("coarse-four-bit", ("nf4", "nf4-t5", "nf4-as-published", "fp4")),
        ("coarse-eight-bit", ("int8", "int8-t5-reloaded", "torchao-int8wo", "quanto-int8", "gguf-q8")),
        ("coarse-float8", ("fp8-layerwise", "fp8-layerwise-model-offload")),
        (None, ("full", "model-offload", "staged-float16", "vae-tiling", "full-float32")),
    ],
)
def test_a_promise_names_its_coarser_control(control: str | None, names: tuple[str, ...]) -> None:
    """Calibration rejects weights with half as many levels; what rounds no weights has no such control."""
    assert {strategy_named(name).promise.control for name in names} == {control}
    assert control in (None, *coarse.CONTROLS)


def test_a_control_belongs_to_what_changes_weights() -> None:
    """Nothing else has levels to halve."""
    assert all(s.promise.changes_weights for s in STRATEGIES if s.promise.control)


def test_components_are_spread_over_two_gpus_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one has a little less left, it is not the second for that; a third is not used."""
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda gpu: ((7, 9), (5, 9), (9, 9))[gpu])
    site: Any = SimpleNamespace(pipeline=lambda **settings: settings)
    given: Any = offloading.device_map_balanced.load(site)
    assert given == {"device_map": "balanced", "max_memory": {0: 5, 1: 5}}

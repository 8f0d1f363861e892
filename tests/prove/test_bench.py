"""Tests of the bench: which cases a fault is rendered with."""

from __future__ import annotations

from pathlib import Path

from fluxgate.prove.bench import bench, cases_of
from fluxgate.prove.faults import fault_named
from tests.devices import on_a_cpu

pytestmark = on_a_cpu


def test_the_references_come_first(tmp_path: Path) -> None:
    """A case is rendered beside those that its promise compares it with."""
    with bench(tmp_path, report=print) as on:
        names = [case.strategy.name for case in cases_of(fault_named("layers-kept"), on)]
    assert names == ["full", "sequential-offload"]

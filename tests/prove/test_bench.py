"""Tests of the bench: which cases a fault is rendered with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fluxgate.prove.bench import bench, cases_of
from fluxgate.prove.fault import BATCH, SHORT
from fluxgate.prove.faults import fault_named
from tests.devices import on_a_cpu

pytestmark = on_a_cpu


def test_the_references_come_first(tmp_path: Path) -> None:
    """A case is rendered beside those that its promise compares it with."""
    with bench(tmp_path, report=print) as on:
        names = [case.strategy.name for case in cases_of(fault_named("layers-kept"), on)]
    assert names == ["full", "sequential-offload"]


def test_cases_are_worked_out_once_for_the_same_shots(tmp_path: Path) -> None:
    """Two faults that other strategies show share them; one of another shot has its own."""
    kept, eager = fault_named("layers-kept"), fault_named("attention-eager")
    assert kept.shots == eager.shots
    with bench(tmp_path, report=print) as on:
        (full, _), other = cases_of(kept, on), cases_of(eager, on)
        elsewhere = cases_of(replace(eager, shots=BATCH), on)
    assert full is other[0]
    assert {shot.name for shot in elsewhere[0].shots} == {*SHORT, *BATCH}

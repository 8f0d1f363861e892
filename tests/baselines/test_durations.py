"""Tests of how long cases take by what was accepted."""

from __future__ import annotations

from pathlib import Path

from fluxgate.baselines.durations import accepted_seconds
from fluxgate.baselines.store import Store
from tests.baselines.acceptance import accept
from tests.runs.building import CASES, MACHINE, run_of


def test_seconds_are_what_was_accepted(tmp_path: Path) -> None:
    """A case without any has none, and neither has one whose baseline cannot be read."""
    accept(run_of(tmp_path / "runs", "full", "nf4"), tmp_path / "baselines")
    cases, store = list(CASES.values()), Store(tmp_path / "baselines")
    assert accepted_seconds(store, MACHINE.id, cases) == {"tiny-full": 3.0, "tiny-nf4": 3.0}
    (facts,) = (tmp_path / "baselines").rglob("nf4.json")
    facts.write_text("{")
    assert accepted_seconds(store, MACHINE.id, cases) == {"tiny-full": 3.0}


def test_another_machine_tells_what_this_one_does_not(tmp_path: Path) -> None:
    """How long a case takes beside others is much the same there."""
    accept(run_of(tmp_path / "runs", "full"), tmp_path / "baselines")
    cases, store = list(CASES.values()), Store(tmp_path / "baselines")
    assert accepted_seconds(store, "another", cases) == {"tiny-full": 3.0}

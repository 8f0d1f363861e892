"""Tests of the stack that baselines were accepted with."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.baselines.store import Store
from fluxgate.report.html.accepted import accepted_stack
from tests.baselines.acceptance import accept
from tests.runs import building


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store in which a run was accepted."""
    run = building.run_of(tmp_path / "runs", "full", "offload")
    accept(run, tmp_path / "store")
    return tmp_path / "store"


def test_it_is_that_of_what_was_accepted_here(store: Path) -> None:
    """On another machine nothing was."""
    assert accepted_stack(Store(store), building.MACHINE.id, building.CASES.values()) == building.STACK
    assert accepted_stack(Store(store), "another", building.CASES.values()) is None


def test_a_damaged_baseline_says_nothing(store: Path) -> None:
    """The judge refuses it; a page only shows less."""
    for facts in store.rglob("facts/*.json"):
        facts.write_text("{}")
    assert accepted_stack(Store(store), building.MACHINE.id, building.CASES.values()) is None

"""Tests of the stack that baselines were accepted with."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.baselines import accepting
from fluxgate.baselines.store import Store
from fluxgate.report.html.accepted import accepted_stack
from tests.baselines.acceptance import accept, planned
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


def test_of_several_acceptances_the_latest_counts(store: Path, tmp_path: Path) -> None:
    """A case that was accepted a month later, with a newer library."""
    run = building.run_of(tmp_path / "more", "full", seed=5)
    run = replace(run, facts=replace(run.facts, stack={**building.STACK, "diffusers": "0.43.0"}))
    later = accepting.acceptance(run, because="newer", by="somebody", at=building.NOW + datetime.timedelta(days=30))
    accepting.write(planned(run, store), later)
    stack = accepted_stack(Store(store), building.MACHINE.id, building.CASES.values())
    assert stack is not None
    assert stack["diffusers"] == "0.43.0"


def test_a_damaged_baseline_says_nothing(store: Path) -> None:
    """The judge refuses it; a page only shows less."""
    for facts in store.rglob("facts/*.json"):
        facts.write_text("{}")
    assert accepted_stack(Store(store), building.MACHINE.id, building.CASES.values()) is None

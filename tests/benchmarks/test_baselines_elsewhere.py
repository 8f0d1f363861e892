"""Tests of what a store elsewhere costs: no more than what changed, and a run no more than what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.baselines_elsewhere import simulate
from fluxgate.baselines import local_copy

FILES = {f"miniature/facts/case-{number}.json": bytes(3000) for number in range(24)}


def test_a_store_grows_by_what_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three machines and four upgrades: an acceptance adds a sixth of a machine, its list and nothing else."""
    monkeypatch.setenv("FLUXGATE_CACHE", "set by the simulation")
    cost = simulate(tmp_path, FILES, machines=3, upgrades=4)
    local_copy.pointer_of.cache_clear()
    lists = 24 * 140  # bytes at most: a name, a hash and a size for each file
    assert all(12000 < grown < 12000 + lists + 100 for grown in cost.grown)
    assert cost.store < 3 * (72000 + lists) + 12 * (12000 + lists) + 1000


def test_a_run_fetches_its_own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And of the others only their lists; after an upgrade only what changed."""
    monkeypatch.setenv("FLUXGATE_CACHE", "set by the simulation")
    cost = simulate(tmp_path, FILES, machines=3, upgrades=2)
    local_copy.pointer_of.cache_clear()
    assert cost.machine <= cost.first.bytes < cost.machine + 3 * 24 * 140 + 100
    assert (cost.first.requests, cost.next.requests) == (24 + 3 + 2, 4 + 3 + 2)
    assert cost.next.bytes < cost.machine / 6 + 4 * 24 * 140

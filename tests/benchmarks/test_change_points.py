"""Tests of benchmarks/change_points.py: it tells alarms for each kind of noise, and a row for each finder."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import change_points
from tests.outside import ROOT, call


def test_alarms_and_power_are_told(tmp_path: Path) -> None:
    """For a few series, as for many."""
    script = str(ROOT / "benchmarks" / "change_points.py")
    ended = call(script, "--count=2", "--looks=500", within=tmp_path)
    assert ended.code == 0
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in ended.out.splitlines() if "|" in line]
    named = {row[0]: row[1:] for row in rows}
    assert len(named["30"]) == len(named["60"]) == len(named["120"]) == len(named["points behind"]) == 7
    assert len(named["ours"]) == len(named["finder"]) == 6


def test_the_best_test_finds_nearly_all_where_nothing_drifts(monkeypatch: pytest.MonkeyPatch) -> None:
    """And fewer where something does: a step of 2.5 standard deviations against one alarm in 10,000 looks."""
    with_drift = change_points.best_possible(behind=60, count=4000, seed=3)
    monkeypatch.setattr(change_points, "DRIFT", 0.0)
    assert 0.75 < with_drift < 0.88 < change_points.best_possible(behind=60, count=4000, seed=3) < 0.97

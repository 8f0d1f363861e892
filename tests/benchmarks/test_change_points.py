"""Tests of benchmarks/change_points.py: it tells alarms for each kind of noise, and a row for each finder."""

from __future__ import annotations

from pathlib import Path

from tests.outside import ROOT, call


def test_alarms_and_power_are_told(tmp_path: Path) -> None:
    """For a few series, as for many."""
    script = str(ROOT / "benchmarks" / "change_points.py")
    ended = call(script, "--count=2", "--looks=500", within=tmp_path)
    assert ended.code == 0
    assert ended.out.count("alarms in 10,000 looks") == 4
    assert "| ours | " in ended.out

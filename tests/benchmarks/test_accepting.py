"""Tests of benchmarks/accepting.py: it measures a first, a changed and an unchanged acceptance."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from tests.outside import ROOT


@pytest.fixture
def benchmark_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmark with small pictures."""
    spec = spec_from_file_location("accepting_benchmark", ROOT / "benchmarks" / "accepting.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HEIGHT", 64)
    monkeypatch.setattr(module, "WIDTH", 64)
    return module


def test_each_act_is_measured(benchmark_module: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is accepted a second time takes next to nothing, whatever the machine does meanwhile."""
    ratios = dict(benchmark_module.measured(tmp_path))
    assert list(ratios) == list(benchmark_module.MOST)
    assert "18 cases, 18 pictures of 64×64" in capsys.readouterr().out
    assert len(list(tmp_path.glob("baselines/*/large/pictures/*.png"))) == 18

"""Tests of `calibrate`: limits of likeness, bands of drift, and what a processor changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fluxgate.calibration import portability
from fluxgate.cli.main import main
from fluxgate.refusal import USAGE
from fluxgate.runs import run as runs
from tests.baselines.acceptance import accept
from tests.outside import call
from tests.runs.building import MACHINE, run_of
from tests.wording import unsaid


@pytest.mark.long
def test_calibrate_measures_limits_into_a_run(tmp_path: Path, environment: dict[str, str]) -> None:
    """It ends by naming the command that keeps the limits."""
    arguments = ("calibrate", "--subject=tiny", "--strategy=vae-tiling", "--pictures=5", "--controls=1")
    ended = call("-m", "fluxgate", *arguments, within=tmp_path, **environment)
    assert ended.code == 0, ended.out + ended.err
    assert not unsaid(ended.out, "fluxgate accept")


def test_calibrate_measures_what_lies_between_runs(
    rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runs give bands of drift in a new run; one is refused."""
    assert main(["calibrate", f"--runs={tmp_path}", "--between", str(rendered), str(rendered)]) == 0
    (limits,) = tmp_path.glob("*/limits/tiny.json")
    assert set(json.loads(limits.read_text())["releases"]) == set(_strategies_in(rendered))
    assert main(["calibrate", f"--runs={tmp_path}", "--between", str(rendered)]) == USAGE
    assert "two or more" in capsys.readouterr().err


def test_calibrate_measures_what_lies_between_acceptances(tmp_path: Path) -> None:
    """The limits are for the machine that they were accepted for, whichever measures them."""
    accept(run_of(tmp_path, "full"), tmp_path / "baselines")
    accepted = tmp_path / "baselines" / MACHINE.id
    assert main(["calibrate", f"--runs={tmp_path / 'runs'}", "--between", str(accepted), str(accepted)]) == 0
    run = runs.latest(tmp_path / "runs")
    assert run.machine.id == MACHINE.id
    accept(run, tmp_path / "baselines")
    assert set(json.loads((accepted / "tiny" / "limits.json").read_text())["releases"]) == {"full"}


@pytest.mark.long
def test_calibrate_measures_what_threads_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_exists: None) -> None:
    """--portability renders a case again with other settings of the processor, here with one thread."""
    variants = {portability.AS_IT_IS: {}, "1 thread": portability.VARIANTS["1 thread"]}
    monkeypatch.setattr(portability, "VARIANTS", variants)
    arguments = ["calibrate", f"--runs={tmp_path}", "--subject=tiny", "--portability"]
    assert main([*arguments, "--strategy=full"]) == 0
    (table,) = tmp_path.glob("*/calibration/tiny-portability.md")
    assert "| `full` | 1 thread |" in table.read_text()


def test_portability_is_asked_of_some_strategies_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others reproduce one of them, or are as far from it on any machine."""
    assert main(["calibrate", f"--runs={tmp_path}", "--portability", "--strategy=nf4"]) == USAGE
    assert "choose from full, full-float32" in capsys.readouterr().err


def _strategies_in(run: Path) -> list[str]:
    return [rendering.strategy for rendering in runs.open_run(run).renderings().values()]

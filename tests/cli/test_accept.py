"""Tests of `accept`: what a dry run shows, what is written, and what goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.refusal import USAGE


def test_accept_shows_and_writes(
    rendered: Path, tmp_path: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing without a reason, nothing on a dry run; then the run is its machine's baseline, and later runs match."""
    arguments = ["accept", str(rendered), "--baselines", str(tmp_path)]
    assert main(arguments) == USAGE
    assert main([*arguments, "--because", "a test", "--dry-run"]) == 0
    assert capsys.readouterr().out.endswith("Nothing was written.\n")
    assert not list(tmp_path.glob("*/tiny"))
    assert main([*arguments, "--because", "a test", "--only", "tiny-*"]) == 0
    assert list(tmp_path.glob("*/tiny"))
    assert main(["judge", str(rendered), "--baselines", str(tmp_path), "--require-baseline"]) == 0


def test_accept_prunes_what_no_case_uses(
    rendered: Path,
    tmp_path: Path,
    tiny_exists: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The baselines of a subject that is gone go, too."""
    assert main(["accept", str(rendered), "--baselines", str(tmp_path), "--because", "a test"]) == 0
    monkeypatch.delenv("FLUXGATE_SUBJECTS")
    assert main(["accept", "--prune", "--baselines", str(tmp_path)]) == 0
    assert "tiny-full goes" in capsys.readouterr().out
    assert not list(tmp_path.glob("*/tiny"))

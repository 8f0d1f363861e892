"""Tests of `fluxgate history`."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.cli.shared import NOTHING, RED
from fluxgate.refusal import USAGE
from tests.history.saved import save
from tests.wording import unsaid


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for number in range(16):
        save(tmp_path / "store", number, 2.0 if number >= 12 else 1.0)
    return tmp_path / "store"


def test_changes_are_told_and_fail_only_where_asked(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A step for the worse in the latest sessions."""
    assert main(["history", str(store)]) == 0
    assert not unsaid(capsys.readouterr().out, "Worse: tiny-full", "1 s → 2 s")
    assert main(["history", str(store), "--fail-on-regression"]) == RED


def test_a_page_is_written(store: Path, tmp_path: Path) -> None:
    """Whole, where it was asked for."""
    assert main(["history", str(store), "--html", str(tmp_path / "history.html")]) == 0
    assert "<svg" in (tmp_path / "history.html").read_text()


def test_what_the_store_does_not_have_is_told(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A figure of no name, and a strategy of none."""
    assert main(["history", str(store), "--figure", "parsecs"]) == NOTHING
    assert main(["history", str(store), "--strategy", "none"]) == USAGE
    assert "none" in capsys.readouterr().err

"""Tests of `grow`: where it does not write."""

from __future__ import annotations

import pytest

from fluxgate.cli.main import main
from fluxgate.refusal import USAGE
from fluxgate.subjects.sources import MINIATURE


def test_grow_grows_nothing_into_the_miniature_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal comes before the first byte."""
    assert main(["grow", str(MINIATURE / "grown")]) == USAGE
    assert "lies in the small pipeline itself; choose another folder." in capsys.readouterr().err
    assert not (MINIATURE / "grown").exists()

"""Tests of `grow`: where it does not write, and what it says when it is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.miniature.growth import grown_folder
from fluxgate.refusal import USAGE
from fluxgate.subjects.sources import CACHE, MINIATURE
from tests.wording import unsaid


def test_grow_grows_nothing_into_the_miniature_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal comes before the first byte."""
    assert main(["grow", str(MINIATURE / "grown")]) == USAGE
    assert not unsaid(capsys.readouterr().err, "in the small pipeline itself")
    assert not (MINIATURE / "grown").exists()


@pytest.mark.parametrize("folder", [None, "twin"])
def test_grow_says_what_to_do_with_what_is_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str | None
) -> None:
    """In the cache the subject `grown` finds it; elsewhere a catalogue must name it."""
    monkeypatch.setenv(CACHE, str(tmp_path))
    monkeypatch.setattr(grown_folder, "grow", lambda folder, **how: None)
    place = str(tmp_path / folder) if folder else None
    assert main(["grow", *filter(None, [place])]) == 0
    said = capsys.readouterr().out
    assert f"The grown miniature is in {place or tmp_path / 'grown'}." in said
    assert (f'source = "folder:{place}"' if folder else "fluxgate render --subject grown.") in said

"""Tests of litter: files that were made while the same was done again, and are still there."""

import os
import tempfile
from pathlib import Path

import pytest

from fluxgate.render.measure.leftover_files import Litter


@pytest.fixture
def litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Litter:
    """Of a scratch folder; temporary files are made elsewhere, as they are for a user."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Litter(scratch)


def test_a_temporary_file_that_stays_is_counted(litter: Litter) -> None:
    """Whoever made it, by whichever function."""
    with litter.growing():
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(b"kept")
        number, _ = tempfile.mkstemp()
        os.close(number)
    assert litter.left == 2


def test_what_is_taken_away_does_not_count(litter: Litter) -> None:
    """Files, folders with all in them, and what has no name."""
    with litter.growing():
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "file").touch()
        with tempfile.NamedTemporaryFile(), tempfile.TemporaryFile():
            pass
    assert litter.left == 0


def test_a_folder_that_was_made_before_is_looked_into(litter: Litter, tmp_path: Path) -> None:
    """The scratch folder, and one that a library made for itself; what was there does not count."""
    folder = Path(tempfile.mkdtemp())
    for place in (folder, tmp_path / "scratch"):
        (place / "first").touch()
    with litter.growing():
        (folder / "second").touch()
        (tmp_path / "scratch" / "first").write_text("more")
    assert litter.left == 1
    with litter.growing():
        (tmp_path / "scratch" / "second").touch()
    assert litter.left == 2


def test_what_is_made_between_does_not_count(litter: Litter) -> None:
    """A first take may leave what the next ones use."""
    with tempfile.NamedTemporaryFile(delete=False), litter.growing():
        pass
    assert litter.left == 0


def test_a_file_elsewhere_is_nobodys_litter(litter: Litter, tmp_path: Path) -> None:
    """Only what tempfile made, and the scratch folder: other programs write, too."""
    with litter.growing():
        (tmp_path / "other").touch()
    assert litter.left == 0

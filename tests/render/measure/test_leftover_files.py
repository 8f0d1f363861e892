"""Tests of leftover files: made while something was done again, and not removed."""

import os
import tempfile
from pathlib import Path

import pytest

from fluxgate.render.measure.leftover_files import LeftoverFiles


@pytest.fixture
def leftover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LeftoverFiles:
    """Of a scratch folder; temporary files are made in another folder, as they are for a user."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return LeftoverFiles(scratch)


def test_a_temporary_file_that_stays_is_counted(leftover: LeftoverFiles) -> None:
    """Whoever made it, by whichever function."""
    with leftover.counted():
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(b"kept")
        number, _ = tempfile.mkstemp()
        os.close(number)
    assert leftover.count == 2


def test_what_is_taken_away_does_not_count(leftover: LeftoverFiles) -> None:
    """Files, folders with all in them, and what has no name."""
    with leftover.counted():
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "file").touch()
        with tempfile.NamedTemporaryFile(), tempfile.TemporaryFile():
            pass
    assert leftover.count == 0


def test_a_folder_that_was_made_before_is_looked_into(leftover: LeftoverFiles, tmp_path: Path) -> None:
    """The scratch folder, and one that a library made for itself; what was there does not count."""
    folder = Path(tempfile.mkdtemp())
    for place in (folder, tmp_path / "scratch"):
        (place / "first").touch()
    with leftover.counted():
        (folder / "second").touch()
        (tmp_path / "scratch" / "first").write_text("more")
    assert leftover.count == 1
    with leftover.counted():
        (tmp_path / "scratch" / "second").touch()
    assert leftover.count == 2


def test_what_is_made_between_does_not_count(leftover: LeftoverFiles) -> None:
    """A first take may leave what the next ones use."""
    with tempfile.NamedTemporaryFile(delete=False), leftover.counted():
        pass
    assert leftover.count == 0


def test_a_file_of_another_program_does_not_count(leftover: LeftoverFiles, tmp_path: Path) -> None:
    """Only what tempfile made, and the scratch folder: other programs write, too."""
    with leftover.counted():
        (tmp_path / "other").touch()
    assert leftover.count == 0


def test_what_is_still_there_at_the_end_is_counted(leftover: LeftoverFiles, tmp_path: Path) -> None:
    """A folder and what is in it, whenever it was made; the scratch folder is the strategy's own."""
    Path(tempfile.mkdtemp(), "part").touch()
    Path(tempfile.mkdtemp(dir=tmp_path / "scratch"), "weights").touch()
    with tempfile.NamedTemporaryFile():
        pass
    assert leftover.at_end() == 2


def test_what_goes_with_the_process_is_not_left(leftover: LeftoverFiles) -> None:
    """A folder that an object will remove, and one of multiprocessing's."""
    folder = tempfile.TemporaryDirectory()
    Path(folder.name, "file").touch()
    tempfile.mkdtemp(prefix="pymp-")
    assert leftover.at_end() == 0
    folder.cleanup()


def test_without_a_second_take_there_is_no_count(leftover: LeftoverFiles) -> None:
    """What was not counted is not 0."""
    assert leftover.count is None

"""Tests of a disk that is full: one sentence, and what was rendered before can be read."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fluxgate.refusal import Refusal
from fluxgate.render.pool import workers as pool
from fluxgate.render.pool.workers import Workers, refusing_full_disk
from fluxgate.render.process.notes import FILE, NotesReader, compose
from fluxgate.rendering import LOAD
from tests.outside import ROOT
from tests.render import making
from tests.wording import unsaid

RENDERS = """
import sys
from pathlib import Path
from fluxgate.refusal import Refusal
from fluxgate.render.pool.workers import Workers
from tests.render import making

folder, load, source = Path(sys.argv[1]) / "case", getattr(making, sys.argv[2]), Path(sys.argv[3])
with Workers() as workers:
    try:
        workers.render(making.case(load, making.ONE, making.FOUR), folder, source=source, timeout=300)
    except Refusal as refusal:
        print(refusal)
print(*(path.name for path in folder.iterdir()))
"""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_refused_in_one_sentence(number: int, tmp_path: Path) -> None:
    """It names the folder, and says what stays."""
    with pytest.raises(Refusal) as raised, refusing_full_disk(tmp_path):
        raise OSError(number, os.strerror(number))
    assert not unsaid(str(raised.value), f"disk of {tmp_path} is full", os.strerror(number))


def test_any_other_error_of_a_file_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    """A folder that may not be written to is another matter."""
    with pytest.raises(PermissionError), refusing_full_disk(tmp_path):
        raise PermissionError(errno.EACCES, "denied")


def test_notes_stay_where_the_rendering_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the run can tell what the worker did."""

    def write_plain(path: Path, value: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pool, "write_plain", write_plain)
    with Workers() as workers, pytest.raises(Refusal, match="is full"):
        workers.render(making.case(making.raises), tmp_path / "case", source=tmp_path, timeout=120)
    notes = NotesReader(tmp_path / "case" / FILE).new()
    rendering = compose(notes, wall_seconds=0.0, crash=None)
    assert (rendering.strategy, [note.phase for note in notes if note.phase]) == ("raises", [LOAD])


@pytest.mark.parametrize(
    ("load", "size", "left"),
    [
        ("full", "96k", {"one-0.png", FILE}),  # the first shot's picture fits, those of the second do not
        # That of a crash fits, but no next case would.
        pytest.param("raises", "600k", {"rendering.json"}, marks=pytest.mark.long),
    ],
)
def test_a_disk_that_fills_up_ends_the_run_and_keeps_what_is_there(
    tmp_path: Path, miniature_folder: Path, load: str, size: str, left: set[str]
) -> None:
    """On a real disk of a few pages."""
    disk = tmp_path / "disk"
    disk.mkdir()
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size={size} tmpfs {disk}"
    if subprocess.run([*inside, mount], capture_output=True).returncode != 0:
        pytest.skip("a process may not mount a small disk of its own here")
    command = [*inside, f'{mount} && exec "$@"', "sh", sys.executable, "-c", RENDERS]
    done = subprocess.run(
        [*command, disk, load, miniature_folder], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    sentence, files = done.stdout.splitlines()
    assert sentence.startswith(f"The disk of {disk}/case is full")
    assert left <= set(files.split())

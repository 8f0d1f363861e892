"""Tests of notes: they survive their writer, and make a rendering."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from fluxgate.render.process.notes import CaseHeader, Note, Notebook, NotesReader, compose, last_phase
from fluxgate.rendering import DENOISE, LOAD, Crash, Duration, Inventory, Memory, Picture

CASE = Note(of=CaseHeader("small", "full", "cpu", {"one": "r" * 64}))


def test_notes_are_read_as_they_come(tmp_path: Path) -> None:
    """Each look gives what is new since the last one."""
    notebook, reader = Notebook(tmp_path / "notes"), NotesReader(tmp_path / "notes")
    assert reader.new() == []
    notebook.add(Note(phase=LOAD))
    assert reader.new() == [Note(phase=LOAD)]
    notebook.add(Note(says="half way"))
    notebook.add(Note(finished=True))
    notebook.close()
    assert reader.new() == [Note(says="half way"), Note(finished=True)]
    assert reader.new() == []


def test_no_file_is_no_notes(tmp_path: Path) -> None:
    """A worker that died before its first word wrote nothing."""
    assert NotesReader(tmp_path / "notes").new() == []


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    """A note is read whole or not yet."""
    path = tmp_path / "notes"
    path.write_bytes(b'{"says": "a"}\n{"says": ')
    reader = NotesReader(path)
    assert reader.new() == [Note(says="a")]
    with path.open("ab") as stream:
        stream.write(b'"b"}\n')
    assert reader.new() == [Note(says="b")]


def test_a_garbled_line_is_left_out(tmp_path: Path) -> None:
    """What a dying worker scribbled does not hide the rest."""
    path = tmp_path / "notes"
    path.write_bytes(b'\xff\xfe{]\n[1]\n{"finished": true}\n')
    assert NotesReader(path).new() == [Note(finished=True)]


def test_the_last_phase_is_the_one_that_did_not_end() -> None:
    """Between phases there is none."""
    assert last_phase([]) is None
    assert last_phase([Note(phase=LOAD), Note(says="x"), Note(phase=DENOISE), Note(says="y")]) == DENOISE
    assert last_phase([Note(phase=LOAD), Note(phase="")]) is None


def test_a_rendering_is_all_that_was_noted() -> None:
    """Pictures and seconds add up, warnings count once, the last inventory and memory stand."""
    pictures = [Picture("one", index, 0, f"one-{index}.png", "a" * 64, 8, 8, "RGB") for index in (0, 1)]
    memories = [Memory((), held, None, None, None) for held in (1, 2)]
    notes = [
        CASE,
        Note(determinism={"threads": "2"}, durations=(Duration(LOAD, 1.0),)),
        Note(pictures=(pictures[0],), warnings=("w", "v"), inventory=Inventory({}, {"blocks": 1}), memory=memories[0]),
        Note(pictures=(pictures[1],), warnings=("w",), inventory=Inventory({}, {"blocks": 2}), memory=memories[1]),
        Note(libraries={"diffusers": "0.42.1"}),
        Note(libraries={"diffusers": "0.42.1", "bitsandbytes": "0.50.2"}),
    ]
    crash = Crash("exit", "it ended", None, ())
    rendering = compose(notes, wall_seconds=2.5, crash=crash)
    assert (rendering.subject, rendering.strategy, rendering.device) == ("small", "full", "cpu")
    assert rendering.recipes == {"one": "r" * 64}
    assert rendering.pictures == tuple(pictures)
    assert rendering.warnings == ("w", "v")
    assert rendering.inventory == Inventory({}, {"blocks": 2})
    assert rendering.memory == memories[1]
    assert rendering.libraries == {"diffusers": "0.42.1", "bitsandbytes": "0.50.2"}
    assert (rendering.wall_seconds, rendering.crash, rendering.determinism) == (2.5, crash, {"threads": "2"})


def test_a_rendering_of_nothing_but_its_case() -> None:
    """A worker that never began leaves an empty rendering, not an error."""
    rendering = compose([CASE], wall_seconds=0.1, crash=None)
    assert (rendering.pictures, rendering.durations) == ((), ())
    assert (rendering.inventory, rendering.memory) == (None, None)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_note_that_does_not_fit_on_the_disk_is_an_error(tmp_path: Path) -> None:
    """It is not left out in silence."""
    (tmp_path / "notes").symlink_to("/dev/full")
    notebook = Notebook(tmp_path / "notes")
    with pytest.raises(OSError) as raised:  # noqa: PT011  # its number is looked at
        notebook.add(Note(says="a"))
    notebook.close()
    assert raised.value.errno == errno.ENOSPC

"""Tests of files: whole or not at all, read with suspicion, and of names that may become part of a path."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.files import (
    expanded,
    is_disk_full,
    is_forbidden,
    is_name,
    make_whole,
    parse_plain,
    read_limited,
    read_plain,
    refuse_unwritable,
    write_plain,
    write_whole,
)
from fluxgate.refusal import Refusal

# Dies by SIGKILL in the middle of writing a second content over the first.
KILLED = """
import os, signal, sys
from pathlib import Path
from fluxgate.files import write_whole
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
write_whole(Path(sys.argv[1]), b"second")
"""


@dataclass(frozen=True)
class Value:
    name: str
    sizes: tuple[int, ...] = ()


@pytest.mark.parametrize("name", ["a", "7", "full", "Nf4_double.v2", "2026-11-27T06+00", "a" * 120])
def test_plain_names_may_be_parts_of_paths(name: str) -> None:
    """Letters, digits, and a few marks between them."""
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "-rf", "a/b", "a\\b", "a..b", "a b", "a\n", "a\0", "ä", "~", "a:b", "a" * 121]
)
def test_other_names_may_not(name: str) -> None:
    """What leads elsewhere, hides, reads as an option, or is too long for some file system."""
    assert not is_name(name)


@given(st.text(max_size=20))
def test_a_name_stays_within_its_folder(name: str) -> None:
    """Whatever the text: as a name it is one component, below the folder that it is joined to."""
    if is_name(name):
        path = Path(os.path.normpath(Path("/folder") / name))
        assert (path.parent, path.name) == (Path("/folder"), name)


def test_what_is_written_replaces_what_was_there(tmp_path: Path) -> None:
    """Folders are made on the way, others may read the file, and nothing is left beside it."""
    path = tmp_path / "new" / "folder" / "file"
    for content in (b"first", b"second"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_process_that_is_killed_leaves_what_was_there(tmp_path: Path) -> None:
    """A reader meets the old content, and never half of the new."""
    path = tmp_path / "file"
    write_whole(path, b"first")
    done = subprocess.run([sys.executable, "-c", KILLED, path], timeout=60, check=False)
    assert done.returncode < 0
    assert path.read_bytes() == b"first"


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Nor is the file that it began with left beside what stands in the way."""
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "taken", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_only_one_makes_a_file(tmp_path: Path) -> None:
    """The second is told, and changes nothing."""
    path = tmp_path / "file"
    make_whole(path, b"first")
    with pytest.raises(FileExistsError):
        make_whole(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_value_reads_back_as_it_was_written(tmp_path: Path) -> None:
    """As JSON that a person can read: indented, its keys in order, and with a last line that ends."""
    value = Value("full", (1, 2))
    write_plain(tmp_path / "value.json", value)
    assert read_plain(tmp_path / "value.json", Value) == value
    text = (tmp_path / "value.json").read_text()
    assert text.endswith("}\n")
    assert [line.split('"')[1] for line in text.splitlines() if ":" in line] == ["name", "sizes"]


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"\xff", b'{"name": 1}', b'{"sizes": []}', b'{"name": "a", "sizes": [1.5]}', b"[" * 10**5],
)
def test_what_is_no_such_value_is_refused_by_name(data: bytes) -> None:
    """Cut short, of another type, without a field, or nested beyond all measure."""
    with pytest.raises(Refusal, match=r"^value\.json is damaged: "):
        parse_plain(data, Value, name="value.json")


def test_fields_of_a_newer_version_do_not_matter() -> None:
    """Formats may gain fields."""
    assert parse_plain(msgspec.json.encode({"name": "a", "more": 1}), Value, name="x") == Value("a")


def test_no_more_is_read_than_may_be(tmp_path: Path) -> None:
    """To the byte."""
    (tmp_path / "file").write_bytes(b"12345")
    assert read_limited(tmp_path / "file", 5) == b"12345"
    with pytest.raises(Refusal, match="has 5 bytes; at most 4"):
        read_limited(tmp_path / "file", 4)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Nothing, a folder, and a pipe, which a reader would wait for."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "pipe"):
        with pytest.raises(Refusal, match="is missing or is not a file"):
            read_limited(path, 100)


def test_errors_of_a_disk_are_told_apart() -> None:
    """A full disk, or a full share of it, is no missing permission."""
    full = [OSError(number, "") for number in (errno.ENOSPC, errno.EDQUOT)]
    forbidden = [OSError(number, "") for number in (errno.EACCES, errno.EPERM, errno.EROFS)]
    assert [is_disk_full(error) for error in (*full, *forbidden, ValueError())] == [True, True, *[False] * 4]
    assert [is_forbidden(error) for error in (*full, *forbidden)] == [False, False, True, True, True]


def test_a_file_is_not_written_over_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not over the one that it would stand in either; nothing is left beside it."""
    monkeypatch.chdir(tmp_path)
    for path in (Path(), tmp_path):
        with pytest.raises(IsADirectoryError) as told:
            write_whole(path, b"")
        assert told.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written through a handle fails without a name; nothing is left beside what was there."""

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "report").write_bytes(b"older")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left") as told:
        write_whole(tmp_path / "report", b"newer")
    assert told.value.filename == str(tmp_path / "report")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"older"]


def test_a_folder_that_cannot_be_written_is_refused_beforehand(tmp_path: Path) -> None:
    """Also one that cannot be made; where it can be, nothing is made yet."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "runs"):
        with pytest.raises(Refusal, match=f"^{folder} cannot be written: "):
            refuse_unwritable(folder)
    refuse_unwritable(tmp_path / "later" / "runs")
    refuse_unwritable(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_unknown_home_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user nobody has listed, or where a name is misspelt."""
    monkeypatch.setenv("HOME", "/here")
    assert expanded("~/a") == Path("/here/a")
    with pytest.raises(Refusal, match=r"^The home folder in ~nobodys-name/a is not known; set HOME"):
        expanded("~nobodys-name/a")

"""Files written whole or not at all, and read with suspicion."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from fluxgate.refusal import Refusal

LARGEST_JSON = 32_000_000  # bytes; the largest file we write ourselves is a hundred times smaller
_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]*", re.IGNORECASE)

Plain = TypeVar("Plain")


def is_name(text: str) -> bool:
    """Whether a text read from a file or a command line may become one component of a path."""
    return len(text) <= 120 and _NAME.fullmatch(text) is not None and ".." not in text


def expanded(text: str) -> Path:
    """A path with the home folder in place of its ~, or a refusal where nobody knows that folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise Refusal(f"The home folder in {text} is not known; set HOME, or write the whole path.") from error


def is_disk_full(error: BaseException) -> bool:
    """Whether a write failed because the disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def is_forbidden(error: OSError) -> bool:
    """Whether a write failed because nobody, or not this user, may write there, or because a folder is in the way."""
    return error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR)


def is_odd(error: OSError) -> bool:
    """Whether a path that a user typed is none that can be used: too long, a link to itself, or taken by another."""
    return error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST, errno.ENOTEMPTY, errno.EBUSY)


def refuse_unwritable(folder: Path) -> None:
    """Refuse a folder in which nothing can be written, before the work for it begins; nothing is left there."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise Refusal(f"{folder} cannot be written: {error.strerror}.") from error


def write_whole(path: Path, data: bytes) -> None:
    """Put all of the data at the path, or leave what was there: a reader never meets half a file."""
    with _beside(path, data) as temporary:
        os.replace(temporary, path)


def make_whole(path: Path, data: bytes) -> None:
    """The same for a file that is not there yet, or FileExistsError: of several processes one makes it."""
    with _beside(path, data) as temporary:
        os.link(temporary, path)


@contextmanager
def _beside(path: Path, data: bytes) -> Iterator[str]:
    """A file with this data that stands beside the path, and not any more afterwards."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        yield temporary
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk is met through the handle, which has no name
        raise
    finally:
        Path(temporary).unlink(missing_ok=True)


def write_plain(path: Path, value: object) -> None:
    """Write a dataclass as JSON that a person can read and a diff can show."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2) + b"\n")


def read_plain(path: Path, kind: type[Plain]) -> Plain:
    """Read a dataclass back; anything that is not one is refused in a sentence that names the file."""
    return parse_plain(read_limited(path, LARGEST_JSON), kind, name=str(path))


def read_limited(path: Path, most: int) -> bytes:
    """The bytes of a regular file that is not larger than it may be."""
    try:
        if not path.is_file():
            raise Refusal(f"{path} is missing or is not a file.")
        size = path.stat().st_size
        if size > most:
            raise Refusal(f"{path} has {size:,} bytes; at most {most:,} are read.")
        return path.read_bytes()
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}.") from error


def parse_plain(data: bytes, kind: type[Plain], *, name: str) -> Plain:
    """A dataclass out of JSON bytes, checked field by field."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Refusal(f"{name} is damaged: {error}.") from error

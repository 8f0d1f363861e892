"""The manifest of a baseline folder: a hash for each of its files, so that no changed byte goes unnoticed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from fluxgate.files import is_name, read_limited, write_whole
from fluxgate.refusal import Refusal

NAME = "SHA256SUMS"  # as `sha256sum --check` reads it
FOLDERS = ("facts", "pictures")
LARGEST_MANIFEST = 2_000_000  # bytes
LARGEST_FILE = 64_000_000
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


def seal(folder: Path) -> None:
    """Write the manifest of all files that are in the folder now."""
    lines = [f"{_hash(folder / name)}  {name}\n" for name in files_in(folder)]
    write_whole(folder / NAME, "".join(lines).encode())


def files_in(folder: Path) -> tuple[str, ...]:
    """The names of the files in a baseline folder, the manifest left out, hidden files and folders with them."""
    names = (str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())
    return tuple(sorted(name for name in names if name != NAME))


def listed(folder: Path) -> dict[str, str]:
    """The manifest's hashes by file name; a manifest that is missing or damaged is refused."""
    path = folder / NAME
    try:
        lines = read_limited(path, LARGEST_MANIFEST).decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise Refusal(f"{path} is damaged: {error}.") from error
    hashes: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        matched = _LINE.fullmatch(line)
        if matched is None or not may_be_listed(matched[2]) or matched[2] in hashes:
            raise Refusal(f"{path} is damaged at line {number}: {line[:120]!r}.")
        hashes[matched[2]] = matched[1]
    return hashes


def may_be_listed(name: str) -> bool:
    """Whether a manifest may list a name: a file of the folder, or of one of its two folders."""
    *above, last = name.split("/")
    return is_name(last) and (not above or (len(above) == 1 and above[0] in FOLDERS))


def read_sealed(folder: Path, name: str, most: int = LARGEST_FILE) -> bytes:
    """The bytes of a file of the folder, just as they were accepted; anything else is refused."""
    expected = listed(folder).get(name)
    if expected is None:
        raise Refusal(_stray(folder / name))
    data = read_limited(folder / name, most)
    if hashlib.sha256(data).hexdigest() != expected:
        raise Refusal(_changed(folder / name))
    return data


def damage_in(folder: Path, *, partial: bool = False) -> tuple[str, ...]:
    """A sentence for each file that is missing, changed or not listed; where only a part ships, none is missing."""
    try:
        hashes = listed(folder)
    except Refusal as refusal:
        return (str(refusal),)
    present = files_in(folder)
    strays = [_stray(folder / name) for name in present if name not in hashes]
    absent = [] if partial else [name for name in hashes if name not in present]
    missing = [f"{folder / name} is missing; restore it from version control." for name in absent]
    changed = [_changed(folder / name) for name in present if name in hashes and not _is(folder / name, hashes[name])]
    return (*strays, *sorted(missing), *changed)


def _is(path: Path, expected: str) -> bool:
    return path.is_file() and not path.is_symlink() and _hash(path) == expected


def _stray(path: Path) -> str:
    return f"{path} is not listed in {NAME}: `accept` did not put it there; move it elsewhere."


def _changed(path: Path) -> str:
    return f"{path} was damaged or edited since it was accepted: restore it from version control."


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

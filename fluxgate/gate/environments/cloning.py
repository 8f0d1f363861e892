"""The files of installed packages: cloned by hard links, and summed up so that a later change is seen."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

BYTECODE = "__pycache__"
LEFTOVER = "~"  # begins the names of what an interrupted pip leaves behind
# What an uninstaller rewrites in place: a link to it would change the original as well.
REWRITTEN = (".pth", ".egg-link")
# Where a file cannot be linked: on another file system, another user's, too often already, or not at all.
UNLINKABLE = (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSYS)


def clone(sources: Sequence[Path], target: Path) -> int:
    """Clone site-packages folders into one; of entries with one name, the one that imports would find.

    Files are linked, bytecode as well, and copied where they cannot be. The answer is how many had to be copied."""
    copied, taken = 0, set[str]()
    for source in sources:
        entries = [entry for entry in os.scandir(source) if _claim(entry.name) not in taken]
        taken.update(_claim(entry.name) for entry in entries)
        for entry in entries:
            if not entry.name.startswith(LEFTOVER):
                copied += _clone(entry, os.path.join(target, entry.name))
    return copied


def _claim(name: str) -> str:
    """By what an entry hides those of later folders: its name, or the distribution whose metadata it is."""
    for suffix in (".dist-info", ".egg-info"):
        if name.endswith(suffix):
            return f"{canonicalize_name(name.removesuffix(suffix).split('-')[0])}.dist-info"
    return name


def _clone(entry: os.DirEntry[str], target: str) -> int:
    """Clone a file, or a folder with all that is in it; the number of files that had to be copied."""
    if entry.is_dir(follow_symlinks=False):
        os.mkdir(target)
        with os.scandir(entry.path) as children:
            return sum(_clone(child, os.path.join(target, child.name)) for child in children)
    if entry.name.endswith(REWRITTEN):
        shutil.copy2(entry.path, target)
        return 0
    try:
        os.link(entry.path, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in UNLINKABLE:
            raise
        shutil.copy2(entry.path, target, follow_symlinks=False)
        return 1
    return 0


def contents(site_packages: Path) -> dict[str, str]:
    """A hash for each entry of a site-packages folder, of the names, sizes and times of all files but bytecode.

    A file that is edited, even through a hard link in another environment, changes it."""
    entries = sorted((entry for entry in os.scandir(site_packages) if entry.name != BYTECODE), key=_name)
    return {entry.name: _hash(entry, below=len(str(site_packages))) for entry in entries}


def code(place: Path) -> str:
    """A hash of a module, or of all Python files below a folder; hidden folders and bytecode are no part of it.

    Of what was compiled, which may be large, sizes and times stand for the content."""
    digest = hashlib.sha256()
    for path in [place] if place.is_file() else _modules(place):
        name = "" if path == place else str(path.relative_to(place))
        facts = path.stat()
        digest.update(f"{name}\0".encode(errors="surrogateescape"))
        digest.update(path.read_bytes() if path.suffix == ".py" else f"{facts.st_size} {facts.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _modules(folder: Path) -> Iterator[Path]:
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(path) / name for name in sorted(names) if name.endswith((".py", ".so")))


def _hash(entry: os.DirEntry[str], *, below: int) -> str:
    lines = (f"{path[below:]} {facts.st_size} {facts.st_mtime_ns}\n" for path, facts in _files(entry))
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()[:16]


def _files(entry: os.DirEntry[str]) -> Iterator[tuple[str, os.stat_result]]:
    if not entry.is_dir(follow_symlinks=False):
        yield entry.path, entry.stat(follow_symlinks=False)
        return
    for child in sorted(os.scandir(entry.path), key=_name):
        if child.name != BYTECODE:
            yield from _files(child)


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name

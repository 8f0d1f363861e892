"""Replacing a folder as a whole: whenever a process is killed, readers find the whole old one or the whole new one."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from fluxgate.baselines import companion
from fluxgate.files import is_name
from fluxgate.locks import held
from fluxgate.refusal import Refusal

# Beside a folder: what will take its place, and what it was until then. Between the renames that set the old one aside
# and put the new one in its place, only these two are there.
NEW, FORMER = ".new-", ".former-"
LOCK = ".lock"


def standing(folder: Path) -> Path:
    """The folder to read: the former one where a process was killed between setting it aside and replacing it."""
    former = folder.with_name(f"{FORMER}{folder.name}")
    return former if former.is_dir() and not folder.exists() else folder


def names_in(store: Path) -> list[str]:
    """The names of the folders that can be read in the store, in order."""
    if not store.is_dir():
        return []
    names = {path.name.removeprefix(FORMER) for path in store.iterdir() if path.is_dir()}
    return sorted(name for name in names if is_name(name))


@contextlib.contextmanager
def locked(store: Path, *, timeout: float = 30.0) -> Iterator[None]:
    """Hold the store alone, with all repaired that a killed process left there."""
    with contextlib.ExitStack() as stack:
        try:
            store.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held(store / LOCK, waiting=f"waiting for {store}", timeout=timeout))
        except TimeoutError:
            raise Refusal(f"Another process is writing to {store}; try again when it has ended.") from None
        except OSError as error:
            raise Refusal(f"{store} cannot be written: {error.strerror}.") from error
        _repair(store)
        yield


def _repair(store: Path) -> None:
    """Put back what was set aside and not replaced, and remove what was prepared or replaced."""
    for left in [path for path in store.iterdir() if path.name.startswith((NEW, FORMER))]:
        folder = store / left.name.removeprefix(FORMER)
        if left.name.startswith(FORMER) and not folder.exists():
            os.rename(left, folder)
        else:
            shutil.rmtree(left)
    companion.finish(store)


def replace(folder: Path, change: Callable[[Path], None]) -> None:
    """Let `change` work on a copy of the folder, then put the copy in its place; what it writes must be on the disk.

    It replaces files and never writes into one: the copy shares them. The caller holds the lock of the store."""
    new, former = (folder.with_name(f"{prefix}{folder.name}") for prefix in (NEW, FORMER))
    try:
        _copy(folder, new)
        change(new)
        for inside in (*new.glob("**/"), new):
            _sync(inside)
    except BaseException as error:
        shutil.rmtree(new, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise Refusal(f"{folder} cannot be written: {error.strerror}; nothing was changed there.") from error
    if folder.exists():
        os.rename(folder, former)
    os.rename(new, folder)
    _sync(folder.parent)
    shutil.rmtree(former, ignore_errors=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _copy(folder: Path, copy: Path) -> None:
    copy.mkdir()
    if folder.exists():
        shutil.copytree(folder, copy, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    """A second name for a file that nobody writes into; a real copy where the file system has no second names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _sync(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

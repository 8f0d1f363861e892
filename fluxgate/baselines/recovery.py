"""How a folder of the store is replaced as a whole: locked, prepared, swapped in, and settled after a kill."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fluxgate.refusal import Refusal

# Beside `<folder>`: what is being prepared; what is complete and must take its place; what it was before.
# The one step that decides is the rename from `.preparing-` to `.ready-`.
PREPARING, READY, FORMER = ".preparing-", ".ready-", ".former-"
LOCK = ".lock"


@contextlib.contextmanager
def locked(store: Path, *, patience: float = 30.0) -> Iterator[None]:
    """Hold the store alone; the system lets go of the lock of a killed process."""
    try:
        store.mkdir(parents=True, exist_ok=True)
        stream = (store / LOCK).open("a")
    except OSError as error:
        raise Refusal(f"{store} cannot be written: {error.strerror}.") from error
    with stream:
        _wait_for(stream.fileno(), store, time.monotonic() + patience)
        yield


def _wait_for(handle: int, store: Path, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Refusal(f"Somebody else is writing to {store}; try again when they are done.") from None
            time.sleep(0.05)


def settle(store: Path) -> None:
    """Finish what a killed process had decided, before anyone reads: the folder is the old one or the new one."""
    if store.is_dir() and any(_remains(store, READY, FORMER)):
        with locked(store):
            finish(store)


def finish(store: Path) -> None:
    """The same, with the lock already held, and with the half-prepared thrown away."""
    for ready in _remains(store, READY):
        _take_its_place(ready, store)
    for left in _remains(store, PREPARING, FORMER):
        former = store / left.name.removeprefix(FORMER)
        if left.name.startswith(FORMER) and not former.exists():
            os.rename(left, former)
        else:
            shutil.rmtree(left)


def replace(folder: Path, change: Callable[[Path], None]) -> None:
    """Let `change` work on a copy of the folder, then swap the copy in: all of the change is seen, or none.

    The caller holds the lock of the store, which is the folder's parent.
    """
    store = folder.parent
    finish(store)
    preparing, ready = store / f"{PREPARING}{folder.name}", store / f"{READY}{folder.name}"
    try:
        _copy(folder, preparing)
        change(preparing)
        _flush(preparing)
        os.rename(preparing, ready)
        _sync(store)
    except BaseException as error:
        shutil.rmtree(preparing, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Refusal(f"The disk of {store} is full; nothing was changed there.") from error
        raise
    _take_its_place(ready, store)


def _take_its_place(ready: Path, store: Path) -> None:
    """Put a complete folder where it belongs; may be cut short anywhere and begun again."""
    folder = store / ready.name.removeprefix(READY)
    former = store / f"{FORMER}{folder.name}"
    if folder.exists():
        shutil.rmtree(former, ignore_errors=True)
        os.rename(folder, former)
    if any(ready.iterdir()):
        os.rename(ready, folder)
    else:
        ready.rmdir()  # everything was removed
    _sync(store)
    shutil.rmtree(former, ignore_errors=True)


def _remains(store: Path, *kinds: str) -> list[Path]:
    return sorted(path for path in store.iterdir() if path.name.startswith(kinds))


def _copy(folder: Path, copy: Path) -> None:
    copy.mkdir()
    if folder.exists():
        shutil.copytree(folder, copy, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    """A second name for a file that nobody writes into; a real copy where the disk knows no second names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _flush(folder: Path) -> None:
    """Bring every file and every folder below to the disk before the rename that decides."""
    for path, _, names in os.walk(folder):
        for name in names:
            _sync(Path(path) / name)
        _sync(Path(path))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

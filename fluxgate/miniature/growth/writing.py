"""The writing of a growth's files, several at once; each is noted in the manifest as soon as it is whole."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from fluxgate.files import is_disk_full, write_plain
from fluxgate.miniature.growth.manifest import MANIFEST, Manifest
from fluxgate.miniature.growth.progress import Progress, counter
from fluxgate.miniature.growth.shards import AddBytes
from fluxgate.miniature.growth.survey import PlannedFile
from fluxgate.refusal import Refusal

WRITERS = 4  # files written at once


def write_all(unfinished: Path, manifest: Manifest, planned: tuple[PlannedFile, ...], progress: Progress) -> Manifest:
    """Write every file that is not finished yet, and note each in the manifest as soon as it is whole."""
    finished = sum(entry.bytes for entry in manifest.files.values())
    report = counter(progress, sum(each.bytes for each in planned), done=finished)
    missing = [each for each in planned if each.file not in manifest.files]
    noting = threading.Lock()

    def write(each: PlannedFile, report: AddBytes) -> None:
        nonlocal manifest
        entry = each.write(unfinished / each.file, report)
        with noting:
            manifest = manifest.with_files({**manifest.files, each.file: entry})
            write_plain(unfinished / MANIFEST, manifest)

    try:
        write_plain(unfinished / MANIFEST, manifest)
        for folder in {(unfinished / each.file).parent for each in missing}:
            folder.mkdir(parents=True, exist_ok=True)
        _side_by_side(write, missing, report)
    except OSError as error:
        if is_disk_full(error):
            discard(unfinished)
            raise Refusal(f"The disk of {unfinished.parent} is full; what was grown so far is removed.") from error
        raise Refusal(f"{unfinished} cannot be written: {error.strerror}; the next try resumes there.") from error
    return manifest


class _Stopped(Exception):
    """Raised in a writer when another one has failed or the user has had enough."""


def _side_by_side(write: Callable[[PlannedFile, AddBytes], None], planned: list[PlannedFile], report: AddBytes) -> None:
    """Write several files at once: hashing and writing leave the interpreter free. The first failure stops all."""
    stopped = threading.Event()

    def unless_stopped(more: int) -> None:
        if stopped.is_set():
            raise _Stopped
        report(more)

    with ThreadPoolExecutor(min(WRITERS, os.cpu_count() or 1)) as pool:
        try:
            for future in as_completed([pool.submit(write, each, unless_stopped) for each in planned]):
                future.result()
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


def discard(unfinished: Path) -> None:
    """Remove what was written so far."""
    shutil.rmtree(unfinished, ignore_errors=True)

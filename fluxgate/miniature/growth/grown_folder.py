"""A grown folder: written whole or not at all, resumable, and checked before it is used."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from fluxgate.amounts import amount
from fluxgate.files import expanded
from fluxgate.locks import acquired
from fluxgate.miniature.growth.manifest import MANIFEST, Manifest, manifest_in, read_manifest, why_outdated
from fluxgate.miniature.growth.progress import Progress, counter, silent
from fluxgate.miniature.growth.shards import Entry, entry_of
from fluxgate.miniature.growth.small_pipeline import source_hash
from fluxgate.miniature.growth.survey import PlannedFile, survey
from fluxgate.miniature.growth.target import FLUX_DEV, Target
from fluxgate.miniature.growth.writing import discard, write_all
from fluxgate.refusal import Refusal

LOCK = "growing.lock"


def grow(folder: Path, *, source: Path, target: Target = FLUX_DEV, progress: Progress = silent) -> Manifest:
    """Grow the small pipeline in `source` into `folder`, or find that it stands there already."""
    folder, source = Path(os.path.realpath(expanded(str(folder)))), source.resolve()
    if folder.is_relative_to(source):
        raise Refusal(f"{folder} lies in the small pipeline itself; choose another folder.")
    wanted, planned = survey(source, target)
    unfinished = folder.with_name(folder.name + ".partial")
    with _locked(folder, unfinished):
        grown_before = manifest_in(folder)
        if grown_before is not None and why_outdated(folder, grown_before, wanted) is None:
            discard(unfinished)
            return grown_before
        finished = _finished_files(unfinished, wanted, planned, progress)
        _refuse_full_disk(folder, planned, finished, freed=_size(folder) if grown_before else 0)
        if grown_before is not None:
            shutil.rmtree(folder)  # grown from another miniature: nothing reads it any more
        grown = write_all(unfinished, wanted.with_files(finished), planned, progress)
        _publish(unfinished, folder)
    return grown


def why_not_usable(folder: Path, *, source: Path, target: Target = FLUX_DEV) -> str | None:
    """Why a grown folder cannot be used, or None. Reads the small pipeline, and of the large one only the sizes."""
    try:
        grown_before = manifest_in(folder)
        if grown_before is None:
            return f"nothing has been grown in {folder} yet"
        return why_outdated(folder, grown_before, Manifest(source_hash(source), target, grown_before.parameters))
    except Refusal as refusal:
        return str(refusal).rstrip(".")


def _finished_files(
    unfinished: Path, wanted: Manifest, planned: tuple[PlannedFile, ...], progress: Progress
) -> dict[str, Entry]:
    """The files of an interrupted growth that are whole; everything else there is removed."""
    listed = {path.name for path in unfinished.iterdir()} - {LOCK}
    if listed and MANIFEST not in listed:
        raise Refusal(f"{unfinished} exists and is no unfinished growth; remove it.")
    before = read_manifest(unfinished) if listed else wanted
    noted = before.files if before.same_growth(wanted) else {}
    report = counter(progress, sum(each.bytes for each in planned))
    finished: dict[str, Entry] = {}
    for each in planned:
        path = unfinished / each.file
        if each.file in noted and path.is_file() and entry_of(path, report) == noted[each.file]:
            finished[each.file] = noted[each.file]
    for path in [path for path in unfinished.rglob("*") if not path.is_dir() or path.is_symlink()]:
        if path.relative_to(unfinished).as_posix() not in {*finished, LOCK, MANIFEST}:
            path.unlink()
    return finished


def _refuse_full_disk(
    folder: Path, planned: tuple[PlannedFile, ...], finished: Mapping[str, Entry], *, freed: int
) -> None:
    needed = sum(each.bytes for each in planned if each.file not in finished) + 1_000_000  # folders and the manifest
    free = shutil.disk_usage(folder.parent).free + freed
    if needed > free:
        raise Refusal(f"Growing writes {amount(needed)} more, and only {amount(free)} are free in {folder.parent}.")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def _locked(folder: Path, unfinished: Path) -> Iterator[None]:
    """Hold the unfinished folder against a second growth; the lock dies with the process."""
    try:
        unfinished.mkdir(parents=True, exist_ok=True)
        lock = (unfinished / LOCK).open("wb")
    except OSError as error:
        raise Refusal(f"{unfinished} cannot be made: {error.strerror}.") from error
    with lock:
        if not acquired(lock.fileno(), fcntl.LOCK_EX):
            raise Refusal(f"{folder} is being grown by another process.")
        try:
            yield
        finally:
            _remove_if_idle(unfinished)


def _remove_if_idle(unfinished: Path) -> None:
    """Leave no folder behind that holds nothing worth resuming."""
    with contextlib.suppress(OSError):
        if not any(path.name != LOCK for path in unfinished.iterdir()):
            discard(unfinished)


def _publish(unfinished: Path, folder: Path) -> None:
    """The last step: one rename makes the whole folder appear."""
    (unfinished / LOCK).unlink()
    with contextlib.suppress(FileNotFoundError):
        folder.rmdir()  # an empty one is no obstacle
    os.replace(unfinished, folder)
    handle = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""The growing of the miniature into FLUX.1-dev's shapes: a folder written whole or not at all, and resumable."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

from fluxgate import pipeline_folder
from fluxgate.amounts import amount
from fluxgate.files import is_name, read_limited, read_plain, write_plain
from fluxgate.locks import acquired
from fluxgate.miniature.architecture import WEIGHT_FILES, Sizes
from fluxgate.miniature.bfloat16 import Noise
from fluxgate.miniature.growth_mapping import Growth
from fluxgate.miniature.shards import Entry, Report, entry_of, split, write_shard, write_stream
from fluxgate.miniature.small_pipeline import (
    LARGEST_SOURCE,
    configurations,
    copied_files,
    read_weights,
    sizes_of,
    source_hash,
)
from fluxgate.refusal import Refusal

SCHEMA = 1
RECIPE = 1  # raise it when the mapping, the noise or a configuration changes: what was grown before is then stale
SEED = 1  # of the noise in what changes nothing
MANIFEST = "manifest.json"
LOCK = "growing.lock"
FULL = (errno.ENOSPC, errno.EDQUOT)
WRITERS = 4  # files written at once

Progress = Callable[[int, int], None]  # called with the bytes done and the bytes in all


@dataclass(frozen=True)
class Target:
    """What to grow into."""

    sizes: Sizes
    clip_words: int = 49408
    t5_words: int = 32128
    shard_bytes: int = 5_000_000_000  # of the text encoders; twice that for the others, as in FLUX.1-dev's own files

    @property
    def vocabularies(self) -> dict[str, int]:
        return {"text_encoder": self.clip_words, "text_encoder_2": self.t5_words}

    def most(self, component: str) -> int:
        """Bytes of tensors in one of the component's files."""
        return self.shard_bytes * (1 if component in self.vocabularies else 2)


FLUX_DEV = Target(
    Sizes(
        double_blocks=19,
        single_blocks=38,
        heads=24,
        t5_width=4096,
        t5_inner=10240,
        t5_heads=64,
        t5_layers=24,
        clip_width=768,
        clip_inner=3072,
        clip_heads=12,
        clip_layers=12,
        vae_channels=(128, 256, 512, 512),
    )
)
FLUX_DEV_PARAMETERS = {
    "transformer": 11_901_408_320,
    "text_encoder_2": 4_762_310_656,
    "text_encoder": 123_060_480,
    "vae": 83_819_683,
}


@dataclass(frozen=True)
class Manifest:
    """What stands in a grown folder, or so far in an unfinished one."""

    source: str  # a hash of the small pipeline's files
    target: Target
    parameters: dict[str, int]
    files: dict[str, Entry] = field(default_factory=dict)
    recipe: int = RECIPE
    seed: int = SEED
    schema: int = SCHEMA

    def with_files(self, files: Mapping[str, Entry]) -> Manifest:
        return dataclasses.replace(self, files=dict(files))

    def same_growth(self, other: Manifest) -> bool:
        """Whether both tell of the same growth, whatever is written of it already."""
        return self.with_files({}) == other.with_files({})


@dataclass(frozen=True)
class Job:
    """One file to be written."""

    file: str  # relative to the grown folder
    bytes: int
    write: Callable[[Path, Report], Entry]


def silent(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


def bar(stream: TextIO | None = None, *, width: int = 30) -> Progress:
    """A progress bar on a terminal; elsewhere a line for every tenth."""
    out = stream or sys.stderr
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        share = done / total if total else 1.0
        now = int(share * (1000 if out.isatty() else 10))
        if now == shown:
            return
        shown = now
        line = f"{share:4.0%}  {amount(done)} of {amount(total)}"
        if out.isatty():
            line = f"\r{'█' * int(share * width):░<{width}} {line} "
        out.write(line + ("" if out.isatty() and done < total else "\n"))
        out.flush()

    return show


def grow(folder: Path, *, source: Path, target: Target = FLUX_DEV, progress: Progress = silent) -> Manifest:
    """Grow the small pipeline in `source` into `folder`, or find that it stands there already."""
    folder, source = folder.expanduser().resolve(), source.resolve()
    if folder.is_relative_to(source):
        raise Refusal(f"{folder} lies in the small pipeline itself; choose another folder.")
    wanted, jobs = survey(source, target)
    unfinished = folder.with_name(folder.name + ".partial")
    with _locked(folder, unfinished):
        grown_before = _manifest_in(folder)
        if grown_before is not None and _why_outdated(folder, grown_before, wanted) is None:
            _discard(unfinished)
            return grown_before
        finished = _finished_files(unfinished, wanted, jobs, progress)
        _refuse_full_disk(folder, jobs, finished, freed=_size(folder) if grown_before else 0)
        if grown_before is not None:
            shutil.rmtree(folder)  # grown from another miniature: nothing reads it any more
        grown = _write(unfinished, wanted.with_files(finished), jobs, progress)
        _publish(unfinished, folder)
    return grown


def why_not_usable(folder: Path, *, source: Path, target: Target = FLUX_DEV) -> str | None:
    """Why a grown folder cannot be used, or None. Reads the small pipeline, and of the large one only the sizes."""
    try:
        grown_before = _manifest_in(folder)
        if grown_before is None:
            return f"nothing has been grown in {folder} yet"
        return _why_outdated(folder, grown_before, Manifest(source_hash(source), target, grown_before.parameters))
    except Refusal as refusal:
        return str(refusal).rstrip(".")


def damage(folder: Path, progress: Progress = silent) -> str | None:
    """The first file of a grown folder whose content is not what was written, by reading all of it, or None."""
    manifest = _manifest_in(folder)
    if manifest is None:
        return f"nothing has been grown in {folder} yet"
    report = _counter(progress, sum(entry.bytes for entry in manifest.files.values()))
    for file, entry in manifest.files.items():
        path = folder / file
        if not path.is_file() or entry_of(path, report) != entry:
            return f"{path} is not as it was written"
    return None


# What is to be written


def survey(source: Path, target: Target) -> tuple[Manifest, tuple[Job, ...]]:
    """Everything that growth will write, before the first byte of it."""
    reason = pipeline_folder.why_not_loadable(source)
    if reason:
        raise Refusal(f"Nothing can grow: {reason}.")
    growth = Growth(sizes_of(source), target.sizes, target.vocabularies, Noise(SEED))
    parameters: dict[str, int] = {}
    jobs = [*_configurations(target), *_copies(source)]
    for component, file in WEIGHT_FILES.items():
        planned = growth.plan(component, read_weights(source / component / file, component))
        parameters[component] = sum(tensor.count for tensor in planned)
        parts, index = split(file.removesuffix(".safetensors"), planned, most=target.most(component))
        jobs += [Job(f"{component}/{part.file}", part.bytes, partial(write_shard, part)) for part in parts]
        if index is not None:
            jobs.append(_data(f"{component}/{file}.index.json", index))
    if target == FLUX_DEV and parameters != FLUX_DEV_PARAMETERS:
        raise Refusal(f"{source} would grow to {parameters} parameters; FLUX.1-dev has {FLUX_DEV_PARAMETERS}.")
    return Manifest(source_hash(source), target, parameters), tuple(jobs)


def _configurations(target: Target) -> Iterator[Job]:
    written = configurations(target.sizes, t5_words=target.t5_words, clip_words=target.clip_words)
    for component, config in written.items():
        yield _data(f"{component}/config.json", json.dumps(config, indent=2).encode() + b"\n")


def _copies(source: Path) -> Iterator[Job]:
    for file in (pipeline_folder.MODEL_INDEX, *copied_files(source)):
        yield _data(file, read_limited(source / file, LARGEST_SOURCE))


def _data(file: str, data: bytes) -> Job:
    def write(path: Path, report: Report) -> Entry:
        return write_stream(path, iter([memoryview(data)]), promised=len(data), report=report)

    return Job(file, len(data), write)


# What stands already


def _manifest_in(folder: Path) -> Manifest | None:
    """The manifest of a grown folder, None where there is no folder or an empty one."""
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return None
    if not (folder / MANIFEST).is_file():
        raise Refusal(f"{folder} exists and was not grown here; choose another folder, or remove it.")
    return _manifest(folder)


def _manifest(folder: Path) -> Manifest:
    try:
        manifest = read_plain(folder / MANIFEST, Manifest)
    except Refusal as refusal:
        raise Refusal(f"{str(refusal).rstrip('.')}; remove {folder} and grow again.") from refusal
    for file in manifest.files:
        if not all(is_name(part) for part in file.split("/")):
            raise Refusal(f"{folder / MANIFEST} is damaged: it names {file!r}; remove {folder} and grow again.")
    return manifest


def _why_outdated(folder: Path, grown_before: Manifest, wanted: Manifest) -> str | None:
    """How a grown folder differs from what is wanted there."""
    if not grown_before.same_growth(wanted):
        return f"what stands in {folder} was grown from another miniature or by another release"
    for file, entry in grown_before.files.items():
        path = folder / file
        if not path.is_file() or path.stat().st_size != entry.bytes:
            return f"{path} is missing or has another length"
    return pipeline_folder.why_not_loadable(folder)


def _finished_files(unfinished: Path, wanted: Manifest, jobs: tuple[Job, ...], progress: Progress) -> dict[str, Entry]:
    """The files of an interrupted growth that are whole; everything else there is removed."""
    listed = {path.name for path in unfinished.iterdir()} - {LOCK}
    if listed and MANIFEST not in listed:
        raise Refusal(f"{unfinished} exists and is no unfinished growth; remove it.")
    before = _manifest(unfinished) if listed else wanted
    noted = before.files if before.same_growth(wanted) else {}
    report = _counter(progress, sum(job.bytes for job in jobs))
    finished: dict[str, Entry] = {}
    for job in jobs:
        path = unfinished / job.file
        if job.file in noted and path.is_file() and entry_of(path, report) == noted[job.file]:
            finished[job.file] = noted[job.file]
    for path in [path for path in unfinished.rglob("*") if not path.is_dir() or path.is_symlink()]:
        if path.relative_to(unfinished).as_posix() not in {*finished, LOCK, MANIFEST}:
            path.unlink()
    return finished


def _refuse_full_disk(folder: Path, jobs: tuple[Job, ...], finished: Mapping[str, Entry], *, freed: int) -> None:
    needed = sum(job.bytes for job in jobs if job.file not in finished) + 1_000_000  # folders and the manifest
    free = shutil.disk_usage(folder.parent).free + freed
    if needed > free:
        raise Refusal(f"Growing writes {amount(needed)} more, and only {amount(free)} are free in {folder.parent}.")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# Writing


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
            _discard(unfinished)


def _discard(unfinished: Path) -> None:
    shutil.rmtree(unfinished, ignore_errors=True)


def _write(unfinished: Path, manifest: Manifest, jobs: tuple[Job, ...], progress: Progress) -> Manifest:
    """Write every file that is not finished yet, and note each in the manifest as soon as it is whole."""
    finished = sum(entry.bytes for entry in manifest.files.values())
    report = _counter(progress, sum(job.bytes for job in jobs), done=finished)
    missing = [job for job in jobs if job.file not in manifest.files]
    noting = threading.Lock()

    def write(job: Job, report: Report) -> None:
        nonlocal manifest
        entry = job.write(unfinished / job.file, report)
        with noting:
            manifest = manifest.with_files({**manifest.files, job.file: entry})
            write_plain(unfinished / MANIFEST, manifest)

    try:
        write_plain(unfinished / MANIFEST, manifest)
        for folder in {(unfinished / job.file).parent for job in missing}:
            folder.mkdir(parents=True, exist_ok=True)
        _side_by_side(write, missing, report)
    except OSError as error:
        if error.errno in FULL:
            _discard(unfinished)
            raise Refusal(f"The disk of {unfinished.parent} is full; what was grown so far is removed.") from error
        raise Refusal(f"{unfinished} cannot be written: {error.strerror}; the next try resumes there.") from error
    return manifest


class _Stopped(Exception):
    """Raised in a writer when another one has failed or the user has had enough."""


def _side_by_side(write: Callable[[Job, Report], None], jobs: list[Job], report: Report) -> None:
    """Write several files at once: hashing and writing leave the interpreter free. The first failure stops all."""
    stopped = threading.Event()

    def unless_stopped(more: int) -> None:
        if stopped.is_set():
            raise _Stopped
        report(more)

    with ThreadPoolExecutor(min(WRITERS, os.cpu_count() or 1)) as pool:
        try:
            for future in as_completed([pool.submit(write, job, unless_stopped) for job in jobs]):
                future.result()
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


def _counter(progress: Progress, total: int, *, done: int = 0) -> Report:
    lock = threading.Lock()

    def count(more: int) -> None:
        nonlocal done
        with lock:
            done += more
            progress(done, total)

    return count


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

"""What a worker notes while it works, line by line, so that its parent knows what it did even if it dies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from fluxgate.rendering import (
    Crash,
    Duration,
    Fingerprint,
    GivenTake,
    Inventory,
    Memory,
    Picture,
    Rendering,
    Repeated,
    StepPictures,
    StoredWeights,
    Work,
)

FILE = "progress.jsonl"


@dataclass(frozen=True)
class CaseHeader:
    """Which case the notes are of."""

    subject: str
    strategy: str
    device: str
    recipes: dict[str, str]  # shot -> hash of its recipe


@dataclass(frozen=True)
class Note:
    """One line of the worker's progress. What is None or empty is not news."""

    of: CaseHeader | None = None  # in the first note
    phase: str | None = None  # the phase that begins, or "" between phases
    says: str | None = None  # a line for the terminal
    started: bool = False
    measured: bool = False  # no second is measured any more: what is done beside the worker disturbs nothing
    finished: bool = False  # the last note of a worker that did all of its work
    pictures: tuple[Picture, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    durations: tuple[Duration, ...] = ()
    warnings: tuple[str, ...] = ()
    determinism: dict[str, str] | None = None
    draws: dict[str, tuple[float, ...]] | None = None
    libraries: dict[str, str] | None = None  # package -> the version that was imported
    inventory: Inventory | None = None
    memory: Memory | None = None
    work: Work | None = None
    crash: Crash | None = None
    given: GivenTake | None = None
    weights: dict[str, StoredWeights] | None = None  # by component
    steps: tuple[StepPictures, ...] = ()
    repeated: Repeated | None = None
    beside: dict[str, float] | None = None  # seconds until now that were no load and no take, by what for


AddNote = Callable[[Note], None]


class Notebook:
    """The worker's end: appends each note to a file at once, where it survives any death of the process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def add(self, note: Note) -> None:
        line = msgspec.json.encode(note) + b"\n"
        while line:  # a disk that fills up takes a part of it, and then none
            line = line[os.write(self._file, line) :]

    def close(self) -> None:
        os.close(self._file)


class NotesReader:
    """The parent's end: reads the notes that were added since it read last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[Note]:
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                data = stream.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]  # the last line may still be on its way
        self._offset += len(whole)
        return [note for line in whole.splitlines() if (note := _parsed(line)) is not None]


def _parsed(line: bytes) -> Note | None:
    """A note, or None for a line that a dying worker, or a full disk, has left unfinished."""
    try:
        return msgspec.json.decode(line, type=Note)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def last_phase(notes: Iterable[Note]) -> str | None:
    """The phase that the worker was in when its notes end."""
    phases = [note.phase for note in notes if note.phase is not None]
    return (phases[-1] or None) if phases else None


def compose(notes: Iterable[Note], *, wall_seconds: float, crash: Crash | None) -> Rendering:
    """The rendering that the notes describe."""
    notes = tuple(notes)
    header = next(note.of for note in notes if note.of)

    def last(field: str) -> Any:
        """What the latest of the notes that has the field says."""
        return next((value for note in reversed(notes) if (value := getattr(note, field))), None)

    return Rendering(
        subject=header.subject,
        strategy=header.strategy,
        device=header.device,
        recipes=header.recipes,
        pictures=tuple(picture for note in notes for picture in note.pictures),
        fingerprints=tuple(one for note in notes for one in note.fingerprints),
        inventory=last("inventory"),
        memory=last("memory"),
        durations=tuple(duration for note in notes for duration in note.durations),
        warnings=tuple(dict.fromkeys(warning for note in notes for warning in note.warnings)),
        determinism=last("determinism") or {},
        wall_seconds=wall_seconds,
        crash=crash,
        draws=last("draws") or {},
        libraries=last("libraries") or {},
        work=last("work"),
        weights={name: one for note in notes for name, one in (note.weights or {}).items()},
        given=last("given"),
        steps=tuple(pictures for note in notes for pictures in note.steps),
        repeated=last("repeated"),
        beside=last("beside") or {},
    )

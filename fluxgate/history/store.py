"""The store of history: pytest-benchmark's own files, a session each, with what was measured beside the seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from fluxgate.machine import Machine
from fluxgate.refusal import Refusal

STORE = Path(".benchmarks")
KEY = "fluxgate"  # under which pytest-benchmark's files have what is ours
LARGEST = 64_000_000  # bytes of one file


class CaseEntry(msgspec.Struct, frozen=True):
    """What a session measured of one case."""

    case: str
    strategy: str
    recipe: str  # of all shots and takes: other work has another history
    figures: dict[str, float] = {}
    limit: int | None = None  # bytes of a GPU that it was held to


class SessionEntry(msgspec.Struct, frozen=True):
    """What pytest-benchmark says of a session's machine."""

    machine: str = ""  # its id
    processor: str = ""  # the CPU's name: one id may stand for several
    stack: dict[str, str] = {}


class _MachineInfo(msgspec.Struct, frozen=True):
    fluxgate: SessionEntry | None = None


class _Commit(msgspec.Struct, frozen=True):
    id: str | None = None


class _Extra(msgspec.Struct, frozen=True):
    fluxgate: CaseEntry | None = None


class _Benchmark(msgspec.Struct, frozen=True):
    extra_info: _Extra = _Extra()


class _File(msgspec.Struct, frozen=True):
    datetime: str = ""
    machine_info: _MachineInfo = _MachineInfo()
    commit_info: _Commit = _Commit()
    benchmarks: list[_Benchmark] = []


_DECODER = msgspec.json.Decoder(_File)  # what is not ours is passed over unread


@dataclass(frozen=True)
class SavedSession:
    """One file of the store, as far as it is ours."""

    at: str  # ISO 8601, in UTC: in the order of the text is in the order of time
    commit: str | None
    machine: str
    processor: str
    stack: dict[str, str]
    cases: tuple[CaseEntry, ...]
    file: Path = field(compare=False)


def sessions(store: Path) -> tuple[SavedSession, ...]:
    """Every session that measured a case, oldest first; files of other benchmarks are left alone."""
    if not store.is_dir():
        raise Refusal(f"There is no folder {store}; pytest --benchmark-autosave saves sessions there.")
    saved = [session for path in sorted(store.rglob("*.json")) if (session := _session(path)) is not None]
    return tuple(sorted(saved, key=lambda one: one.at))


def _session(path: Path) -> SavedSession | None:
    try:
        if path.stat().st_size > LARGEST:
            raise Refusal(f"{path} has more than {LARGEST:,} bytes: it is no session's file.")
        file = _DECODER.decode(path.read_bytes())
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(f"{path} is damaged: {error}. Remove it, or restore it.") from error
    cases = tuple(one.extra_info.fluxgate for one in file.benchmarks if one.extra_info.fluxgate is not None)
    ours = file.machine_info.fluxgate
    if ours is None or not cases:
        return None
    at, commit = _utc(file.datetime, path), file.commit_info.id
    return SavedSession(at, commit, ours.machine, ours.processor, ours.stack, cases, path)


def _utc(text: str, path: Path) -> str:
    """A moment as pytest-benchmark writes it; earlier releases leave out that they mean UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refusal(f"{path} is damaged: its datetime {text[:40]!r} is none. Remove it, or restore it.") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def session_entry(machine: Machine, stack: dict[str, str], *, processor: str) -> dict[str, Any]:
    """What pytest-benchmark is given of the machine: it knows no GPU, and no releases."""
    entry: dict[str, Any] = msgspec.to_builtins(SessionEntry(machine.id, processor, {**stack, "torch": machine.torch}))
    return {**entry, "name": machine.name, "driver": machine.driver, "cuda": machine.cuda}


def case_entry(entry: CaseEntry) -> dict[str, Any]:
    """What pytest-benchmark is given of a case."""
    plain: dict[str, Any] = msgspec.to_builtins(entry)
    return plain


def series_keys(session: SavedSession) -> Iterator[tuple[tuple[str, ...], CaseEntry]]:
    """What makes two sessions' figures of a case comparable: machine and CPU, case, recipe and limit."""
    for case in session.cases:
        yield (session.machine, session.processor, case.case, case.recipe, str(case.limit or "")), case

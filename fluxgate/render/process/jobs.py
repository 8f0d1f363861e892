"""What a process is asked to do, as plain JSON: data, and functions by the names under which they are imported."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from fluxgate.refusal import Refusal
from fluxgate.rendering import Inventory
from fluxgate.subjects.subject import Subject


@dataclass(frozen=True)
class CaseJob:
    """One case, from load to free."""

    load: str  # the name of the strategy's function
    subject: Subject  # with the shots that are to be rendered
    device: str
    source: Path  # the pipeline on disk
    scratch: Path
    folder: Path  # of the case: pictures, notes and the log go there
    takes: int | None = None  # how often each shot is rendered; None: twice on a GPU, on a CPU only the first one twice
    vram_limit: int | None = None  # bytes of each GPU that it may take; None: all there are

    def takes_of(self, number: int) -> int:
        if self.takes is not None:
            return self.takes
        return 2 if self.device == "cuda" or number == 0 else 1

    def order(self) -> Iterator[tuple[int, list[int]]]:
        """Takes, each with the shots it is of: second takes last, so that what builds up from call to call is seen."""
        numbers = range(len(self.subject.shots))
        for take in range(max(map(self.takes_of, numbers), default=0)):
            yield take, [number for number in numbers if take < self.takes_of(number)]


@dataclass(frozen=True)
class PartJob:
    """One part of a case, for a process of its own."""

    part: str  # the name of a function, which is called with a site and with what is given
    given: dict[str, Any]  # plain data
    phase: str
    subject: Subject
    device: str
    source: Path
    scratch: Path
    folder: Path  # its notes and its log
    shot: str
    take: int
    known: Inventory  # what earlier parts have described already
    vram_limit: int | None  # as for the case itself


Job = CaseJob | PartJob
KINDS: dict[str, type[Job]] = {"case": CaseJob, "part": PartJob}


@dataclass(frozen=True)
class Surroundings:
    """What a process takes over from the one that asks, however long ago it was forked from another."""

    path: list[str]  # where modules are found
    environment: dict[str, str]
    folder: Path

    def enter(self) -> None:
        sys.path[:] = self.path
        os.environ.clear()
        os.environ.update(self.environment)
        os.chdir(self.folder)


def packed(job: Job, environment: Mapping[str, str]) -> bytes:
    """A job as bytes for another process, with this one's surroundings."""
    (kind,) = (kind for kind, made in KINDS.items() if isinstance(job, made))
    surroundings = Surroundings(sys.path, dict(environment), Path.cwd())
    message = {"kind": kind, "job": job, "surroundings": surroundings}
    # Not msgspec's own JSON: paths and variables may hold bytes that are no UTF-8, and it refuses what stands for them.
    data = json.dumps(msgspec.to_builtins(message, enc_hook=_path_as_text)).encode()
    if unpacked(data)[0] != job:
        raise Refusal("what another process is asked to do must be plain data: text, numbers, lists and dictionaries")
    return data


def unpacked(data: bytes) -> tuple[Job, Surroundings]:
    """The job in the bytes, and where to do it. Nothing is imported for it."""
    message = json.loads(data)
    job = msgspec.convert(message["job"], KINDS[message["kind"]], dec_hook=_text_as_path)
    return job, msgspec.convert(message["surroundings"], Surroundings, dec_hook=_text_as_path)


def _path_as_text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise Refusal(f"a {type(value).__name__} cannot be handed to another process; name it, or hand on a file")


def _text_as_path(kind: type, value: object) -> object:
    return kind(value)


def name_of(function: Callable[..., Any]) -> str:
    """The name under which another process finds a function: 'module:name'."""
    name = f"{function.__module__}:{getattr(function, '__qualname__', '')}"
    if function_named(name) is not function:
        raise Refusal(f"another process cannot be told of {name}: that name is of another function")
    return name


def function_named(name: str) -> Callable[..., Any]:
    """The function of that name, imported."""
    module, _, within = name.partition(":")
    try:
        found = attrgetter(within)(importlib.import_module(module))
    except Exception as error:  # a module may raise anything
        raise Refusal(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise Refusal(f"{name} is a {type(found).__name__}, where a function is due")
    return found  # type: ignore[no-any-return]

"""What a process is asked to do, as plain JSON: data, and functions by the names that they are imported by."""

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
    """Render one case, from loading to freeing."""

    load: str  # the name of the strategy's function
    subject: Subject  # with the shots that are to be rendered
    device: str
    source: Path  # the pipeline on disk
    scratch: Path
    folder: Path  # of the case: pictures, notes and the log go there
    takes: int | None = None  # how often each shot is rendered; None: twice on a GPU, on a CPU only the first one twice
    vram_limit: int | None = None  # bytes of each GPU that it may take; None: all there are
    # Whether each shot is called for before its takes. Among the graphs that fit, torch takes the one that was used
    # last: where it compiled a more general one in the midst of a first take, a second take would do without the other.
    compiles: bool = False
    asks_otherwise: bool = False  # whether the pipeline is asked for the same picture in other ways, too
    asks_briefly: bool = False  # whether that is in those few ways that a strategy may break

    def takes_of(self, number: int) -> int:
        """How often the shot of this number is rendered."""
        if self.takes is not None:
            return self.takes
        return 2 if self.device == "cuda" or number == 0 else 1

    def order(self) -> Iterator[tuple[int, list[int]]]:
        """Each take with the numbers of its shots. Second takes come last, to show what builds up from call to call."""
        numbers = range(len(self.subject.shots))
        for take in range(max(map(self.takes_of, numbers), default=0)):
            yield take, [number for number in numbers if take < self.takes_of(number)]


@dataclass(frozen=True)
class PartJob:
    """Do one part of a case in a process of its own."""

    part: str  # the name of a function, which is called with a site and with the arguments
    arguments: dict[str, Any]  # plain data
    phase: str
    subject: Subject
    device: str
    source: Path
    scratch: Path
    folder: Path  # its notes and its log
    shot: str
    take: int
    inventory: Inventory  # what earlier parts have described already
    vram_limit: int | None  # as for the case itself


Job = CaseJob | PartJob
KINDS: dict[str, type[Job]] = {"case": CaseJob, "part": PartJob}


@dataclass(frozen=True)
class Surroundings:
    """What a process takes over from the one that sends it a job, whatever process it was forked from."""

    path: list[str] | None  # sys.path; None for a process of another environment, which keeps its own
    variables: dict[str, str]  # of the environment
    folder: Path

    def enter(self) -> None:
        """Make them those of this process."""
        if self.path is not None:
            sys.path[:] = self.path
        os.environ.clear()
        os.environ.update(self.variables)
        os.chdir(self.folder)


def packed(job: Job, variables: Mapping[str, str], *, path: list[str] | None) -> bytes:
    """A job as bytes for another process, with the surroundings that it is to be done in."""
    (kind,) = (kind for kind, made in KINDS.items() if isinstance(job, made))
    surroundings = Surroundings(path, dict(variables), Path.cwd())
    message = {"kind": kind, "job": job, "surroundings": surroundings}
    # Not msgspec's own JSON: paths and variables may hold bytes that are no UTF-8, and it refuses what stands for them.
    data = json.dumps(msgspec.to_builtins(message, enc_hook=_path_as_text)).encode()
    if unpacked(data)[0] != job:
        raise Refusal("what is passed to another process must be plain data: texts, numbers, lists and dictionaries")
    return data


def unpacked(data: bytes) -> tuple[Job, Surroundings]:
    """The job in the bytes, and its surroundings. Nothing is imported for it."""
    message = json.loads(data)
    job = msgspec.convert(message["job"], KINDS[message["kind"]], dec_hook=_text_as_path)
    return job, msgspec.convert(message["surroundings"], Surroundings, dec_hook=_text_as_path)


def _path_as_text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise Refusal(f"a {type(value).__name__} cannot be passed to another process; pass its name, or a file")


def _text_as_path(kind: type, value: object) -> object:
    return kind(value)


def name_of(function: Callable[..., Any]) -> str:
    """The name under which another process finds a function: 'module:name'."""
    name = f"{function.__module__}:{getattr(function, '__qualname__', '')}"
    if function_named(name) is not function:
        raise Refusal(f"{name} cannot be passed to another process: that name is of another function")
    return name


def function_named(name: str) -> Callable[..., Any]:
    """The function of that name, imported."""
    module, _, within = name.partition(":")
    try:
        function: object = attrgetter(within)(importlib.import_module(module))
    except Exception as error:  # a module may raise anything
        raise Refusal(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise Refusal(f"{name} is a {type(function).__name__}, not a function")
    return function

"""What a node is told of a gate, and what it says of the stacks that it has made: plain values, as JSON."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from fluxgate.gate.settings import Settings
from fluxgate.machine import Machine, Stack
from fluxgate.subjects.subject import Subject

PROCESS = "fluxgate.gate.node_process"  # the module that a runner starts
DEEPEST = 7  # folders that what it leaves is deep: a run of a stack, with what was rendered once more
STACKS_MADE = "stacks.json"  # beside what was rendered ahead


@dataclass(frozen=True)
class GateJob:
    """Hold a gate; or render some of its cases ahead, in both stacks, for the node that will."""

    id: str  # the gate's
    folder: str  # the gate's, where it was called
    started: str  # UTC, ISO 8601
    machine: Machine  # that it was planned for
    stack: Stack
    subjects: tuple[Subject, ...]
    upgrade: tuple[str, ...]  # as it was typed; of two files of pins, their names
    settings: Settings  # whose paths are the node's; a node renders into runs of its own
    pins: tuple[str, ...] = ()  # what is in the two files
    first: tuple[str, ...] = ()
    python: Path | None = None  # on the node
    ahead: tuple[str, ...] = ()  # cases that are only rendered; none: hold the gate


@dataclass(frozen=True)
class StacksMade:
    """Both stacks as a node has made them, package by package."""

    incumbent: dict[str, str]
    candidate: dict[str, str] = field(default_factory=dict)  # empty where it could not be made


def to_json(job: GateJob) -> bytes:
    return msgspec.json.encode(job, enc_hook=os.fspath)


def from_json(data: bytes) -> GateJob:
    return msgspec.json.decode(data, type=GateJob, dec_hook=_path)


def _path(kind: type, text: str) -> Path:
    """What msgspec does not know: the only other kind of value in a job is a path."""
    if not issubclass(kind, Path):
        raise NotImplementedError(f"a {kind.__name__} is no part of a job")
    return Path(text)

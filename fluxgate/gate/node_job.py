"""What a node is told of a gate, and what it says of the stacks that it has made: plain values, as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from fluxgate.gate.tiers import Tier
from fluxgate.machine import Machine, Stack
from fluxgate.subjects.subject import Subject

PROCESS = "fluxgate.gate.node_process"  # what a seat runs
DEEPEST = 7  # folders that what it leaves is deep: a run of a stack, with what was rendered once more
STACKS_MADE = "stacks.json"  # beside what was rendered ahead


@dataclass(frozen=True)
class GateJob:
    """Hold a gate; or render some of its cases ahead, in both stacks, for the node that will."""

    id: str  # the gate's
    folder: str  # the gate's, where it was called
    started: str  # UTC, ISO 8601
    command: str
    machine: Machine  # that it was planned for
    stack: Stack
    subjects: tuple[Subject, ...]
    upgrade: tuple[str, ...]  # as it was typed; of two files of pins, their names
    pins: tuple[str, ...] = ()  # and what is in these
    first: tuple[str, ...] = ()
    python: str | None = None  # on the node
    tier: Tier = Tier.SHORT
    strategies: tuple[str, ...] = ()
    installer: str | None = None
    wheelhouse: str | None = None  # on the node
    case_timeout: str | None = None
    repeats: int = 1
    culprit: bool = True
    bisect: bool = False
    ahead: tuple[str, ...] = ()  # cases that are only rendered; none: hold the gate


@dataclass(frozen=True)
class StacksMade:
    """Both stacks as a node has made them, package by package."""

    incumbent: dict[str, str]
    candidate: dict[str, str] = field(default_factory=dict)  # empty where it could not be made

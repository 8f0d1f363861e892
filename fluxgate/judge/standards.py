"""Standards: what the cases of a run are held to besides each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum

from fluxgate.baselines import known_failures
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.store import Store
from fluxgate.judge.verdict import CHECKS
from fluxgate.machine import Machine, Stack
from fluxgate.rendering import Rendering
from fluxgate.strategies.available import strategies
from fluxgate.subjects.subject import Subject

# A rendering and the name of its reference -> phase, or a shot's step -> the pace in earlier runs, oldest first.
Paces = Callable[[Rendering, str | None], Mapping[str, tuple[float, ...]]]


class BaselineUse(Enum):
    """What becomes of a case by what was accepted for its machine."""

    IF_ANY = "if any"  # held to it where there is something
    REQUIRED = "required"  # a case without it fails
    IGNORED = "ignored"  # the stack is meant to be another one: only promises within the run are judged


@dataclass(frozen=True)
class Standards:
    """All that a case may be held to that is not in its own run."""

    machine: Machine
    stack: Stack
    store: Store | None = None  # of baselines
    known_failures: tuple[KnownFailure, ...] = ()
    baseline_use: BaselineUse = BaselineUse.IF_ANY
    numbers_on_disk: Callable[[Subject], Mapping[str, int]] = field(default=lambda subject: {})  # component -> numbers
    paces: Paces = field(default=lambda rendering, reference: {})


def known_failures_of(store: Store, *, subjects: Collection[str]) -> tuple[KnownFailure, ...]:
    """The known failures; an entry that names nothing there is would never be noticed, so it is refused."""
    entries = known_failures.read_all(store)
    known_failures.refuse_unknown_names(
        entries, subjects=subjects, strategies=[strategy.name for strategy in strategies()], checks=CHECKS
    )
    return entries

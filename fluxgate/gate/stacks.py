"""The two stacks of a gate: what is installed now, and what an upgrade would make of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from fluxgate.gate.environments.building import Built, build, clone_of
from fluxgate.gate.environments.importing import check_imports
from fluxgate.gate.environments.installers import Installer
from fluxgate.gate.environments.pins import Moves, parse_changes, read_pins
from fluxgate.gate.environments.resolving import resolve
from fluxgate.gate.environments.stages import StageFailure
from fluxgate.locks import silent
from fluxgate.refusal import Refusal

Report = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What is to be gated: changes to what is installed, or two files of pins."""

    changes: tuple[Requirement, ...] = ()
    incumbent: Path | None = None  # None: the packages of this Python
    candidate: Path | None = None


@dataclass(frozen=True)
class Stacks:
    """Incumbent and candidate, built; and what moves between them."""

    incumbent: Built
    candidate: Built
    moves: Moves


@dataclass(frozen=True)
class Unmade:
    """An upgrade that did not come to be rendered."""

    failure: StageFailure
    incumbent: Built
    moves: Moves = ()
    candidate: Built | None = None  # where it was built, and cannot be imported


def asked_of(texts: tuple[str, ...]) -> Asked:
    """`diffusers==0.43.0 bitsandbytes==0.51`, or `OLD.txt NEW.txt`."""
    files = [text for text in texts if text.endswith((".txt", ".lock"))]
    if not files:
        return Asked(changes=parse_changes(texts))
    if len(files) == len(texts) == 2:
        return Asked(incumbent=Path(files[0]), candidate=Path(files[1]))
    raise Refusal("Name the changes, like diffusers==0.43.0, or two files of pins: OLD.txt NEW.txt.")


def make_stacks(asked: Asked, *, installer: Installer, report: Report = silent) -> Stacks | Unmade:
    """Both environments, each seen to import its libraries; or why the candidate cannot be made."""
    pins = read_pins(asked.incumbent) if asked.incumbent else None
    incumbent = (
        build(pins, installer=installer, report=report) if pins else clone_of(Path(sys.executable), report=report)
    )
    if isinstance(incumbent, StageFailure):
        raise Refusal(f"The incumbent cannot be made: {incumbent.sentence}")
    unusable = check_imports(incumbent, report=report)
    if unusable is not None:
        raise Refusal(f"The incumbent cannot be used: {unusable.sentence}")
    moves = _moves(asked, incumbent, installer=installer, report=report)
    if isinstance(moves, StageFailure):
        return Unmade(moves, incumbent)
    if not moves:
        raise Refusal("Nothing would move: the incumbent is what was asked for.")
    candidate = build(incumbent.pins.moved(moves), installer=installer, base=incumbent, report=report)
    if isinstance(candidate, StageFailure):
        return Unmade(candidate, incumbent, moves)
    failure = check_imports(candidate, report=report)
    if failure is not None:
        return Unmade(failure, incumbent, moves, candidate)
    return Stacks(incumbent, candidate, moves)


def build_with(
    moves: Moves, incumbent: Built, *, installer: Installer, report: Report = silent
) -> Built | StageFailure:
    """The incumbent with some moves, seen to import its libraries."""
    built = build(incumbent.pins.moved(moves), installer=installer, base=incumbent, report=report)
    if isinstance(built, StageFailure):
        return built
    return check_imports(built, report=report) or built


def _moves(asked: Asked, incumbent: Built, *, installer: Installer, report: Report) -> Moves | StageFailure:
    if asked.candidate is not None:
        return incumbent.pins.moves_to(read_pins(asked.candidate))
    return resolve(incumbent, asked.changes, installer=installer, report=report)

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
    incumbent: Path | None = None  # None: the packages of a Python
    candidate: Path | None = None
    python: Path = Path(sys.executable)
    first: tuple[Requirement, ...] = ()  # changes that make its packages the incumbent


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


def asked_of(texts: tuple[str, ...], *, python: Path | None = None, first: tuple[str, ...] = ()) -> Asked:
    """`diffusers==0.43.0 bitsandbytes==0.51`, or `OLD.txt NEW.txt`.

    python: whose packages are the incumbent, once the `first` changes were made to them."""
    files = [text for text in texts if text.endswith((".txt", ".lock"))]
    if not files:
        return Asked(parse_changes(texts), python=python or Path(sys.executable), first=parse_changes(first))
    if len(files) == len(texts) == 2 and not first:
        return Asked(incumbent=Path(files[0]), candidate=Path(files[1]), python=python or Path(sys.executable))
    raise Refusal("Name the changes, like diffusers==0.43.0, or two files of pins: OLD.txt NEW.txt.")


def make_stacks(asked: Asked, *, installer: Installer, report: Report = silent) -> Stacks | Unmade:
    """Both environments, each seen to import its libraries; or why the candidate cannot be made."""
    for path in filter(None, (asked.incumbent, asked.candidate)):
        read_pins(path)  # what is wrong with a file is told before anything is made
    incumbent = _incumbent(asked, installer=installer, report=report)
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


def _incumbent(asked: Asked, *, installer: Installer, report: Report) -> Built:
    """A clone of a Python, in which what differs is exchanged: so torch need not be installed, or be had at all."""
    made = clone_of(asked.python, report=report)
    pins = read_pins(asked.incumbent) if asked.incumbent else None
    if isinstance(made, Built) and asked.first:
        moves = resolve(made, asked.first, installer=installer, report=report)
        if isinstance(moves, StageFailure):
            raise Refusal(f"The incumbent cannot be made: {moves.sentence}")
        pins = made.pins.moved(moves)
    if isinstance(made, Built) and pins is not None:
        made = build(pins, installer=installer, base=made, report=report)
    if isinstance(made, StageFailure):
        raise Refusal(f"The incumbent cannot be made: {made.sentence}")
    unusable = check_imports(made, report=report)
    if unusable is not None:
        raise Refusal(f"The incumbent cannot be used: {unusable.sentence}")
    return made


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

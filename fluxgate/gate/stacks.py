"""The two stacks of a gate: what is installed now, and what an upgrade would make of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fluxgate.gate.environments.building import Built, build, clone_of
from fluxgate.gate.environments.consistency import unmet
from fluxgate.gate.environments.imported_files import checkouts
from fluxgate.gate.environments.importing import check_imports
from fluxgate.gate.environments.installers import Installer
from fluxgate.gate.environments.interpreters import ask
from fluxgate.gate.environments.pin_files import PinFile, is_file, read_pin_file
from fluxgate.gate.environments.pins import Moves, Pins, parse_changes
from fluxgate.gate.environments.resolving import resolve, yanked_among
from fluxgate.gate.environments.stages import StageFailure
from fluxgate.judge.sentences import listed
from fluxgate.locks import Say, silent
from fluxgate.refusal import Refusal

Made = TypeVar("Made")

# What workers need beside what they render with: a file of pins need not name it, and what the Python has is taken.
NEEDED_BY_WORKERS = ("msgspec", "nvidia-ml-py", "packaging")
WHOLE = "a file of pins must name the whole stack, as pip freeze, uv pip compile and uv.lock do"


@dataclass(frozen=True)
class Asked:
    """What is to be gated: changes to what is installed, or two files of pins."""

    changes: tuple[Requirement, ...] = ()
    incumbent: PinFile | None = None  # None: the packages of a Python
    candidate: PinFile | None = None
    python: Path = Path(sys.executable)
    first: tuple[Requirement, ...] = ()  # changes that make its packages the incumbent

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the files have packages looked for, as options of an installer's."""
        files = (file for file in (self.incumbent, self.candidate) if file is not None)
        return tuple(option for file in files for option in file.sources)

    @property
    def keeps_checkouts(self) -> bool:
        """Whether a file installs something from a checkout: both stacks have it then, as the Python does."""
        return any(file.editable for file in (self.incumbent, self.candidate) if file is not None)


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
    files = [text for text in texts if is_file(text)]
    if not files:
        return Asked(parse_changes(texts), python=python or Path(sys.executable), first=parse_changes(first))
    if len(files) == len(texts) == 2:
        if first:
            raise Refusal(f"--incumbent changes what is installed, and {files[0]} is the incumbent: leave it out.")
        old, new = (read_pin_file(Path(file)) for file in files)
        return Asked(incumbent=old, candidate=new, python=python or Path(sys.executable))
    if len(files) == len(texts) == 1:
        raise Refusal(
            f"{files[0]} is the candidate, and nothing names the incumbent: name two files of pins, OLD.txt "
            f"{files[0]}; `pip freeze > OLD.txt` writes what is installed."
        )
    raise Refusal("Name the changes, like diffusers==0.43.0, or two files of pins: OLD.txt NEW.txt.")


def make_stacks(
    asked: Asked, *, installer: Installer, imports: Sequence[str] | None = None, report: Say = silent
) -> Stacks | Unmade:
    """Both environments, each seen to import its libraries; or why the candidate cannot be made."""
    _refuse_unfit(asked)
    incumbent = _incumbent(asked, installer=installer, imports=imports, report=report)
    moves = _moves(asked, incumbent, installer=installer, report=report)
    if isinstance(moves, StageFailure):
        return Unmade(moves, incumbent)
    if not moves:
        raise Refusal(f"Nothing would move: {_as_asked(asked, incumbent)}.")
    candidate = build(incumbent.pins.moved(moves), installer=installer, base=incumbent, report=report)
    if isinstance(candidate, StageFailure):
        return Unmade(candidate, incumbent, moves)
    failure = check_imports(candidate, needed=imports, report=report)
    if failure is not None:
        return Unmade(failure, incumbent, moves, candidate)
    return Stacks(incumbent, candidate, moves)


def _refuse_unfit(asked: Asked) -> None:
    """Refuse two files that cannot be held to each other, before anything is made of them."""
    old, new = asked.incumbent, asked.candidate
    if old is None or new is None:
        return
    for package in sorted({*old.elsewhere, *new.elsewhere}):
        one, other = (file.elsewhere.get(package, file.pins.versions.get(package)) for file in (old, new))
        if one != other:
            ends = f"{one or 'nothing'} in {old.path} to {other or 'nothing'} in {new.path}"
            raise Refusal(f"{package} moves from {ends}; only releases can be gated: pin it to one in both files.")
    if not old.pins.moves_to(new.pins):
        raise Refusal(f"Nothing would move: {old.path} and {new.path} pin the same.")


def _incumbent(asked: Asked, *, installer: Installer, imports: Sequence[str] | None, report: Say) -> Built:
    """A clone of a Python, in which what differs is exchanged: so torch need not be installed, or be had at all."""
    python = _made(clone_of(asked.python, report=report))
    pins = None
    if asked.incumbent is not None:
        pins = whole_stack(asked.incumbent, python, keep_checkouts=asked.keeps_checkouts)
        if asked.keeps_checkouts and not checkouts(python.site_packages):
            report(f"A file installs a checkout (-e), of which {asked.python} has none: it is in neither stack.")
    elif asked.first:
        pins = python.pins.moved(_made(resolve(python, asked.first, installer=installer, report=report)))
    made = python if pins is None else _made(build(pins, installer=installer, base=python, report=report))
    unusable = check_imports(made, needed=imports, report=report)
    if unusable is not None:
        raise Refusal(f"The incumbent cannot be used: {unusable.sentence}{_unpinned(asked, made)}")
    return made


def _made(step: Made | StageFailure) -> Made:
    """What a step towards the incumbent gives."""
    if isinstance(step, StageFailure):
        raise Refusal(f"The incumbent cannot be made: {step.sentence}")
    return step


def whole_stack(file: PinFile, python: Built, *, keep_checkouts: bool = False) -> Pins:
    """What a file pins; of what it names without a version, and of what workers need, what the Python has."""
    has = python.pins.versions
    for package, address in file.elsewhere.items():
        if package not in has:
            raise Refusal(f"{package} comes from {address}, and is not installed; only releases of an index can be.")
    kept = {*file.elsewhere, *NEEDED_BY_WORKERS, *(checkouts(python.site_packages) if keep_checkouts else ())}
    return Pins.of({**{name: has[name] for name in kept if name in has}, **file.pins.versions})


def _unpinned(asked: Asked, made: Built) -> str:
    """What a file leaves out that others in it depend on, which may be why they cannot be imported."""
    if asked.incumbent is None:
        return ""
    odds = unmet(made.pins, ask(made.python).requires)
    lacking = sorted({one.asked for one in odds} - {*made.pins.versions})
    return f" {asked.incumbent.path} does not pin {listed(lacking, 3)}: {WHOLE}." if lacking else ""


def build_with(
    moves: Moves,
    incumbent: Built,
    *,
    installer: Installer,
    imports: Sequence[str] | None = None,
    report: Say = silent,
) -> Built | StageFailure:
    """The incumbent with some moves, seen to import its libraries."""
    built = build(incumbent.pins.moved(moves), installer=installer, base=incumbent, report=report)
    if isinstance(built, StageFailure):
        return built
    return check_imports(built, needed=imports, report=report) or built


def _as_asked(asked: Asked, incumbent: Built) -> str:
    """What the incumbent has already of what was asked for, in words."""
    names = [str(canonicalize_name(change.name)) for change in asked.changes]
    has = [f"{name} {incumbent.pins.versions[name]}" for name in names if name in incumbent.pins.versions]
    return f"the incumbent has {listed(has)}, and that is what was asked for" if has else "both stacks are the same"


def _moves(asked: Asked, incumbent: Built, *, installer: Installer, report: Say) -> Moves | StageFailure:
    if asked.candidate is None:
        return resolve(incumbent, asked.changes, installer=installer, report=report)
    whole = whole_stack(asked.candidate, incumbent, keep_checkouts=asked.keeps_checkouts)
    moves = incumbent.pins.moves_to(whole)
    return yanked_among(moves, incumbent, installer=installer, report=report)

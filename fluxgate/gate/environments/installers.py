"""What pip and uv are asked for, alike: which packages would be installed, to install them, to take some away."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn, Protocol

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from fluxgate.gate.environments.pins import Pins, fits
from fluxgate.gate.environments.processes import Finished
from fluxgate.gate.environments.stages import Cause
from fluxgate.refusal import Refusal, full_stop


@dataclass(frozen=True)
class Planned:
    """A release that an installer would install."""

    version: str
    yanked: bool = False


Plan = dict[str, Planned]  # canonical name -> what would be installed


@dataclass(frozen=True)
class Objection:
    """Why an installer does not do what it is asked for, and where it fails to."""

    cause: Cause
    sentence: str
    output: str


@dataclass(frozen=True)
class Question:
    """What an installer is asked to plan; what the interpreter has stays, as far as the requirements admit it."""

    python: Path
    requirements: Sequence[str]
    newest: Mapping[str, str] = field(default_factory=dict)  # of these, newer releases than the installed one
    alone: bool = False  # whatever is installed, and without what the requirements depend on


class Installer(Protocol):
    """pip or uv, with where packages come from. Without a network, or space on the disk, its methods refuse."""

    @property
    def name(self) -> str:
        """What users call it."""
        ...

    def settings(self, pins: Pins) -> Sequence[str]:
        """All that decides, besides the pins, which files are installed for them."""
        ...

    def plan(self, question: Question) -> Plan | Objection:
        """What would be installed, without installing anything."""
        ...

    def releases(self, python: Path, package: str) -> tuple[Planned, ...] | Objection:
        """All releases that an interpreter could install, those that were yanked among them where that is told."""
        ...

    def install(self, python: Path, pins: Sequence[str]) -> Objection | None:
        """Install exactly these `name==version`, and nothing that they depend on."""
        ...

    def uninstall(self, python: Path, packages: Sequence[str]) -> Objection | None:
        """Take packages away."""
        ...

    def wheel(self, python: Path, source: Path, *, into: Path) -> Objection | None:
        """Build a wheel of a source tree, without what it depends on."""
        ...

    def within(self, wheelhouse: Path) -> Installer:
        """The same installer, with packages from this folder alone."""
        ...


def wheels(wheelhouse: Path, pins: Pins) -> list[str]:
    """The files of a wheelhouse that these pins stand for, with sizes and times: a file that is replaced is another."""
    named = ((path, _release(path)) for path in sorted(wheelhouse.iterdir()))
    chosen = [path for path, release in named if release and fits(release[1], pins.versions.get(release[0]))]
    return [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in chosen]


def _release(path: Path) -> tuple[str, str] | None:
    """The package and the version that a file's name states."""
    parse = parse_wheel_filename if path.suffix == ".whl" else parse_sdist_filename
    try:
        name, version, *_ = parse(path.name)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
    return name, str(version)


NO_SPACE = ("No space left on device", "Disk quota exceeded")


def refuse_full_disk(output: str) -> None:
    """Refuse if an installer has found the disk full."""
    if any(text in output for text in NO_SPACE):
        raise Refusal("The disk is full; what was unfinished is removed, and the next call goes on. Make room first.")


def refuse_unreachable(place: str) -> NoReturn:
    """Refuse because packages cannot be fetched now."""
    place = re.sub(r"//[^/@]*@", "//", place)  # a user's name and password
    raise Refusal(f"{place} cannot be reached; check the network, or name a folder of wheels: --wheelhouse FOLDER.")


def refuse_killed(name: str, finished: Finished) -> None:
    """Refuse if a signal has ended the installer: that says nothing about the packages."""
    if finished.code is not None and finished.code < 0:
        raise Refusal(f"{name} {finished.ending}; the next call goes on.")


def within(found: Objection, wheelhouse: Path | None, *, anywhere: str) -> Objection:
    """The same of a wheelhouse, which the installer's words for any place do not name: what it lacks may be in an index
    all the same."""
    if wheelhouse is None or found.cause is not Cause.NO_SUCH_VERSION:
        return found
    sentence = found.sentence.replace(anywhere, f"in {wheelhouse}")
    return replace(found, sentence=sentence.replace("does not exist", f"is not in {wheelhouse}"))


def objection(cause: Cause, sentence: str, output: str) -> Objection:
    """An objection in one line, however long the installer's own words are."""
    return Objection(cause, full_stop(" ".join(sentence.split())), output)

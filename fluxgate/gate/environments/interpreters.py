"""What an interpreter says of itself: what it is, and which packages it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from packaging.utils import canonicalize_name

from fluxgate.files import parse_plain
from fluxgate.gate.environments import inside_packages
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.processes import run
from fluxgate.refusal import Refusal

TIMEOUT = 60.0  # seconds for an interpreter to describe itself


@dataclass(frozen=True)
class Interpreter:
    """An interpreter and the packages that it finds without help from its caller."""

    python: Path
    version: str  # with the compiler's
    platform: str
    base: str  # the executable beneath a virtual environment
    site_folders: tuple[Path, ...]
    pins: Pins
    requires: Mapping[str, tuple[str, ...]]  # what each package asks for
    shadowed: tuple[str, ...]  # packages that are there more than once


class _Answer(msgspec.Struct):
    version: str
    platform: str
    base: str
    site_folders: list[str]
    packages: list[tuple[str, str, list[str]]]


def ask(python: Path) -> Interpreter:
    """Ask an interpreter; one that does not start, or does not answer, is refused."""
    # Not isolated (-I): a system's Python has packages of the user's own. -P keeps this package's folder out.
    finished = run([python, "-P", inside_packages.__file__], timeout=TIMEOUT)
    last = (finished.output.strip().splitlines() or [""])[-1]
    if finished.code != 0:
        raise Refusal(f"{python} cannot say which packages it has: {last.rstrip('.') or f'it {finished.ending}'}.")
    return _interpreter(python, parse_plain(last.encode(), _Answer, name=f"what {python} says of itself"))


def _interpreter(python: Path, answer: _Answer) -> Interpreter:
    versions: dict[str, str] = {}
    requires: dict[str, tuple[str, ...]] = {}
    for name, version, requirements in answer.packages:  # imports take the first
        versions.setdefault(canonicalize_name(name), version)
        requires.setdefault(canonicalize_name(name), tuple(requirements))
    counts = Counter(canonicalize_name(name) for name, _, _ in answer.packages)
    return Interpreter(
        python=python,
        version=answer.version,
        platform=answer.platform,
        base=answer.base,
        site_folders=tuple(map(Path, answer.site_folders)),
        pins=Pins.of(versions),
        requires=requires,
        shadowed=tuple(sorted(name for name, count in counts.items() if count > 1)),
    )

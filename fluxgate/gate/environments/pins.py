"""Pins, the exact versions of a stack; the moves from one stack to another; and changes that users ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, Specifier
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import Move

Moves = tuple[Move, ...]  # sorted by package, each package once
OURSELVES = "fluxgate"
# What packaging raises for a text that is no requirement, or whose marker compares what cannot be compared.
UNREADABLE = (ValueError, LookupError, RecursionError)


@dataclass(frozen=True)
class Pins:
    """A stack to the last package: canonical name → version, sorted by name."""

    versions: Mapping[str, str]

    @classmethod
    def of(cls, versions: Mapping[str, str]) -> Self:
        """Pins of these packages, however their names are spelled."""
        return cls(dict(sorted((str(canonicalize_name(name)), version) for name, version in versions.items())))

    def requirements(self) -> tuple[str, ...]:
        """One `name==version` a package."""
        return tuple(f"{name}=={version}" for name, version in self.versions.items())

    def moved(self, moves: Iterable[Move]) -> Pins:
        """The stack after these moves."""
        versions = dict(self.versions)
        for move in moves:
            versions.pop(move.package, None)
            if move.new is not None:
                versions[move.package] = move.new
        return Pins.of(versions)

    def moves_to(self, other: Pins) -> Moves:
        """What changes from this stack to another; a build that the other does not name, like +cpu, is no change."""
        return tuple(
            Move(name, self.versions.get(name), other.versions.get(name))
            for name in sorted({*self.versions, *other.versions})
            if not fits(self.versions.get(name), other.versions.get(name))
        )


def fits(installed: str | None, asked: str | None) -> bool:
    """Whether what is installed is the release that was asked for: 1.0.0 for 1.0, and 2.13.0+cpu for 2.13.0.

    A build that was asked for by name, like 2.13.0+cpu, is no other build."""
    if installed is None or asked is None:
        return installed == asked
    try:
        return Specifier(f"=={asked}").contains(installed, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return installed == asked


def applies(requirement: Requirement) -> bool:
    """Whether the marker of a requirement holds here, for what no extra asks for."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def exact_version(requirement: Requirement) -> str | None:
    """The one version that a requirement admits, if it is pinned."""
    specifiers = list(requirement.specifier)
    if requirement.url is not None or len(specifiers) != 1:
        return None
    return _exact(specifiers[0])


def _exact(specifier: Specifier) -> str | None:
    if specifier.operator not in ("==", "===") or specifier.version.endswith(".*"):
        return None
    try:
        return str(Version(specifier.version))
    except InvalidVersion:
        return None


def parse_changes(texts: Sequence[str]) -> tuple[Requirement, ...]:
    """What is to change in a stack: `diffusers==0.43.0`, `transformers>=5.23`, or `torch` for its newest release."""
    changes: dict[str, Requirement] = {}
    for text in texts:
        change = _change(text)
        name = canonicalize_name(change.name)
        if name == OURSELVES:
            raise Refusal(f"{change}: {OURSELVES} renders both stacks itself; name the packages that move.")
        if name in changes:
            raise Refusal(f"{name} is asked for twice: {changes[name]} and {change}.")
        changes[name] = change
    return tuple(changes.values())


def _change(text: str) -> Requirement:
    wanted = "write a package with its version, like diffusers==0.43.0"
    try:
        change = Requirement(text)
        applies_here = applies(change)
    except UNREADABLE as error:
        raise Refusal(f"{text[:80]!r} is no requirement; {wanted}.") from error
    if change.url is not None:
        raise Refusal(f"{text[:80]!r} names an address; {wanted}.")
    if not applies_here:
        raise Refusal(f"{text[:80]!r} does not apply to this Python; leave the marker away.")
    change.marker = None
    return change

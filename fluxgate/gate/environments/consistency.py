"""Whether packages have what they ask for, and which of them can therefore only move together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fluxgate.gate.environments.interpreters import Interpreter
from fluxgate.gate.environments.pins import UNREADABLE, Pins, applies


@dataclass(frozen=True)
class Unmet:
    """A package that asks for what is not there."""

    package: str
    asked: str  # the package that is missing, or of which there is another release
    requirement: str

    def __str__(self) -> str:
        return f"{self.package} depends on {self.requirement}"


def unmet(pins: Pins, requires: Mapping[str, Sequence[str]]) -> tuple[Unmet, ...]:
    """What is asked for and not there, package by package."""
    return tuple(
        Unmet(package, canonicalize_name(requirement.name), f"{requirement.name}{requirement.specifier}")
        for package, texts in requires.items()
        for requirement in filter(None, map(_applying, texts))
        if not _met(requirement, pins)
    )


@cache
def _applying(text: str) -> Requirement | None:
    """A requirement, if it applies here; what an extra would need besides does not."""
    try:
        requirement = Requirement(text)
        return requirement if applies(requirement) else None
    except UNREADABLE:
        return None


def _met(requirement: Requirement, pins: Pins) -> bool:
    version = pins.versions.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def needed_along(incumbent: Interpreter, candidate: Interpreter) -> dict[str, str]:
    """For each package that moves between two stacks, what is at odds if it alone stays: `transformers 5.24.0 depends
    on huggingface-hub<2`. Nothing of one that could stay."""
    ends = _Ends(incumbent, candidate)
    reasons = {move.package: ends.against_staying(move.package) for move in incumbent.pins.moves_to(candidate.pins)}
    return {package: reason for package, reason in reasons.items() if reason}


def couplings(incumbent: Interpreter, candidate: Interpreter) -> dict[str, frozenset[str]]:
    """For each package that moves between two stacks, all that must move when it does, itself among them.

    Read from what is installed at both ends, it needs no resolver: for each package of a mixture, it is known what it
    asks for. What is at odds at one of the ends already couples nothing."""
    ends = _Ends(incumbent, candidate)
    return {move.package: ends.along(move.package) for move in incumbent.pins.moves_to(candidate.pins)}


@dataclass(frozen=True)
class _Ends:
    incumbent: Interpreter
    candidate: Interpreter

    def along(self, package: str) -> frozenset[str]:
        """The fewest packages that must move with one. It exists: with all of them moved, nothing new is at odds."""
        moved = frozenset({package})
        at_odds = {*unmet(self.incumbent.pins, self.incumbent.requires)}
        at_odds |= {*unmet(self.candidate.pins, self.candidate.requires)}
        while fresh := frozenset(self._forced(moved, at_odds)) - moved:
            moved |= fresh
        return moved

    def against_staying(self, package: str) -> str:
        """What is at odds in the candidate where one package is the incumbent's, in a clause; empty if nothing is."""
        moves = self.incumbent.pins.moves_to(self.candidate.pins)
        pins, requires = self._mixture(frozenset(move.package for move in moves) - {package})
        at_odds = {*unmet(self.candidate.pins, self.candidate.requires)}
        odds = [one for one in unmet(pins, requires) if one not in at_odds and package in (one.package, one.asked)]
        odds.sort(key=lambda one: one.asked != package)  # rather who asks for it than what it would ask for
        return f"{odds[0].package} {pins.versions[odds[0].package]} depends on {odds[0].requirement}" if odds else ""

    def _forced(self, moved: frozenset[str], at_odds: set[Unmet]) -> Iterator[str]:
        """Of a package and what it asks for, one has moved and the other has not, or nothing would be unmet."""
        for one in unmet(*self._mixture(moved)):
            if one not in at_odds:
                yield from (one.package, one.asked)

    def _mixture(self, moved: frozenset[str]) -> tuple[Pins, dict[str, Sequence[str]]]:
        """The stack in which these packages are the candidate's and all others the incumbent's."""
        moves = self.incumbent.pins.moves_to(self.candidate.pins)
        pins = self.incumbent.pins.moved(move for move in moves if move.package in moved)
        ends = {name: self.candidate if name in moved else self.incumbent for name in pins.versions}
        return pins, {name: end.requires.get(name, ()) for name, end in ends.items()}

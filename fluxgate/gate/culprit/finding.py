"""What a search for the culprit ends in, and how it is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic

from fluxgate.gate.culprit.outcomes import Evidence
from fluxgate.gate.culprit.words import counted, moved, packages
from fluxgate.report.gate_result import Move


class Kind(StrEnum):
    """A closed list."""

    SINGLE = "single"  # one group of packages
    INTERACTION = "interaction"  # several groups, which are bad only together
    SEVERAL = "several"  # several of the two before, independent of each other
    NOT_SEPARABLE = "not separable"  # the resolver does not let the culprit be told from others, or be proven
    CANNOT_TELL = "cannot tell"  # something was not the same twice, failed, or would have taken too long
    NONE = "none"  # the candidate is good


@dataclass(frozen=True)
class Culprit(Generic[Evidence]):
    """Groups of moves that are bad on the incumbent, and without any of which the rest is not."""

    groups: tuple[tuple[Move, ...], ...]  # the moves of a group only move together; the most suspected first
    along: tuple[Move, ...] = ()  # moved with them, because the resolver does not move them otherwise
    evidence: Evidence | None = None  # of the incumbent with these moves

    @property
    def moves(self) -> tuple[Move, ...]:
        """The moves that are to blame."""
        return tuple(move for group in self.groups for move in group)


@dataclass(frozen=True)
class Finding(Generic[Evidence]):
    """Which moves are to blame, how that is known, and what is not."""

    kind: Kind
    culprits: tuple[Culprit[Evidence], ...] = ()
    suspects: tuple[Move, ...] = ()  # where it cannot be told who of them: the fewest moves that are bad together
    held_back: tuple[Move, ...] = ()  # without these the candidate was seen to be good: what to pin
    evidence: Evidence | None = None  # of the candidate
    environments: int = 0  # how many were tried beside incumbent and candidate
    unresolved: tuple[str, ...] = ()  # whole sentences: what could not be told, and why
    confirmed: bool = True  # whether the incumbent was good, and the candidate bad, twice
    everything: bool = False  # whether what is held back is all that moved: what is left is the incumbent

    @property
    def moves(self) -> tuple[Move, ...]:
        """All moves that are to blame, each once."""
        return tuple(dict.fromkeys(move for culprit in self.culprits for move in culprit.moves))


def sentence(finding: Finding[Any]) -> str:
    """Who did it, and how that is known, as one engineer says it to another."""
    return _SENTENCES[finding.kind](finding)


def _none(finding: Finding[Any]) -> str:
    return "There is no culprit: the candidate passes."


def _single(finding: Finding[Any]) -> str:
    culprit = finding.culprits[0]
    if len(culprit.moves) > 1:
        return _tied(finding, culprit)
    if culprit.along:
        seen = f"the incumbent fails with them, but not with {packages(culprit.along)} alone"
    else:
        seen = f"the incumbent fails with {_it(culprit.moves)} alone"
    return f"The culprit is {named(culprit)}: {seen}, and {_counter_proof(finding)}."


def _tied(finding: Finding[Any], culprit: Culprit[Any]) -> str:
    """One group of packages: the most suspected of them is no more than that."""
    likely = f"The culprit is most likely {named(culprit)}"
    if finding.everything:
        return f"{likely}: nothing else moved, and none of them can be tried alone."
    return f"{likely}: the incumbent fails with them alone, and {_counter_proof(finding)}."


def _interaction(finding: Finding[Any]) -> str:
    culprit = finding.culprits[0]
    if len(culprit.moves) == 2 and not culprit.along:
        seen = "the incumbent fails with both and passes with either alone"
    else:
        seen = "the incumbent fails with all of them and passes when any one stays back"
    return f"The culprit is {named(culprit)}: {seen}, and {_counter_proof(finding)}."


def _several(finding: Finding[Any]) -> str:
    names = [named(culprit) for culprit in finding.culprits]
    listing = "; ".join(names[:-1]) + f"; and {names[-1]}"
    seen = f"The incumbent fails with {'either' if len(names) == 2 else 'each of them'}"
    return f"There are {counted(names)} culprits: {listing}. {seen}, and {_counter_proof(finding)}."


def _not_separable(finding: Finding[Any]) -> str:
    parts = []
    if finding.culprits:
        names = "; and ".join(named(culprit) for culprit in finding.culprits)
        is_, each = ("culprits are", "each of which") if len(finding.culprits) > 1 else ("culprit is", "which")
        parts.append(f"The {is_} most likely {names}, with {each} the incumbent fails.")
    if finding.suspects:
        who = "Another" if parts else "The culprit"
        parts.append(f"{who} is among {moved(finding.suspects)}, which cannot be told apart.")
    if finding.held_back:
        parts.append(f"The candidate passes without {packages(finding.held_back)}.")
    return " ".join([*parts, *finding.unresolved])


def _cannot_tell(finding: Finding[Any]) -> str:
    suspects = [f"Suspects: {moved(finding.suspects)}."] if finding.suspects else []
    return " ".join(["The culprit cannot be named.", *finding.unresolved, *suspects])


def named(culprit: Culprit[Any]) -> str:
    """A culprit with its versions, and with what cannot be moved apart from it."""
    groups = [_group(group) for group in culprit.groups]
    together = " together with ".join(groups)
    return f"{together}, which needs {moved(culprit.along)}" if culprit.along else together


def _group(moves: Sequence[Move]) -> str:
    first, *others = moves
    return f"{first} (which only moves together with {moved(others)})" if others else str(first)


def _counter_proof(finding: Finding[Any]) -> str:
    moves = finding.held_back
    all_of_them = set(moves) == set(finding.moves) and not any(culprit.along for culprit in finding.culprits)
    return f"the candidate passes without {_it(moves) if all_of_them else packages(moves)}"


def _it(moves: Iterable[Move]) -> str:
    return "it" if len(tuple(moves)) == 1 else "them"


_SENTENCES: Mapping[Kind, Callable[[Finding[Any]], str]] = {
    Kind.SINGLE: _single,
    Kind.INTERACTION: _interaction,
    Kind.SEVERAL: _several,
    Kind.NOT_SEPARABLE: _not_separable,
    Kind.CANNOT_TELL: _cannot_tell,
    Kind.NONE: _none,
}

"""What an upgrade moves: packages from one version to another, in groups that the resolver can move alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fluxgate.report.gate_result import Move

# The packages that must move when this one does, itself among them; None where the resolver cannot move it at all.
Closure = Callable[[str], frozenset[str] | None]


@dataclass(frozen=True)
class Group:
    """Packages that can only move together, the most suspected first, and the packages of other groups they need."""

    moves: tuple[Move, ...]
    needs: frozenset[str] = frozenset()

    @property
    def packages(self) -> frozenset[str]:
        return frozenset(move.package for move in self.moves)

    def needed_by(self, other: Group) -> bool:
        """Whether the other one cannot move without this one."""
        return not self.packages.isdisjoint(other.needs)


Chosen = frozenset[Group]  # those that have moved, in one environment


def groups_of(moves: Sequence[Move], *, closure: Closure) -> tuple[Group, ...]:
    """The moves in groups: two are together if each needs the other. One that the resolver cannot move stays alone."""
    names = frozenset(move.package for move in moves)
    direct = {name: (closure(name) or frozenset()) & names | {name} for name in names}
    reached = {name: _reached(name, direct) for name in names}
    groups = dict.fromkeys(
        frozenset(other for other in reached[move.package] if move.package in reached[other]) for move in moves
    )
    return tuple(
        Group(
            moves=tuple(move for move in moves if move.package in together),
            needs=frozenset().union(*(reached[name] for name in together)) - together,
        )
        for together in groups
    )


def _reached(name: str, direct: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """All that one package drags along, over others too."""
    reached, fresh = frozenset[str](), frozenset({name})
    while fresh:
        reached |= fresh
        fresh = frozenset[str]().union(*(direct[one] for one in fresh)) - reached
    return reached


def by_suspicion(groups: Iterable[Group], *, suspects: Sequence[str]) -> tuple[Group, ...]:
    """The groups, most suspected first: those with suspected packages, in the order of these, then the rest.

    What a group needs stands before it."""

    def rank(move: Move) -> int:
        return suspects.index(move.package) if move.package in suspects else len(suspects)

    ranked = [replace(group, moves=tuple(sorted(group.moves, key=rank))) for group in groups]
    ranked.sort(key=lambda group: rank(group.moves[0]))
    return needs_first(ranked)


def needs_first(groups: Sequence[Group]) -> tuple[Group, ...]:
    """The same order, but for groups that others need, which come before these."""
    placed: dict[Group, None] = {}
    for group in groups:
        # A group needs all that those it needs do, so fewer needs come first.
        needed = sorted((other for other in groups if other.needed_by(group)), key=lambda other: len(other.needs))
        placed.update(dict.fromkeys([*needed, group]))
    return tuple(placed)


@dataclass(frozen=True)
class Upgrade:
    """The whole way from the incumbent to the candidate: its groups, most suspected first."""

    groups: tuple[Group, ...]

    @property
    def whole(self) -> Chosen:
        return frozenset(self.groups)

    def completed(self, chosen: Chosen) -> Chosen:
        """These groups and all that they need."""
        return chosen | {group for group in self.groups if any(group.needed_by(other) for other in chosen)}

    def without(self, removed: Chosen) -> Chosen:
        """The candidate but for these groups and all that need them."""
        return frozenset(
            group for group in self.groups if group not in removed and not any(one.needed_by(group) for one in removed)
        )

    def ordered(self, chosen: Chosen) -> tuple[Group, ...]:
        return tuple(group for group in self.groups if group in chosen)

    def moves(self, chosen: Chosen) -> tuple[Move, ...]:
        """Their moves, most suspected first."""
        return tuple(move for group in self.ordered(chosen) for move in group.moves)

    def removable(self, chosen: Chosen) -> tuple[Group, ...]:
        """Those of them that no other of them needs, most suspected first."""
        return tuple(group for group in self.ordered(chosen) if not any(group.needed_by(other) for other in chosen))

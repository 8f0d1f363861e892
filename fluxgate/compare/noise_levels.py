"""The noise levels that pictures were denoised along: the same on every machine, whatever its arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Levels = Mapping[str, tuple[float, ...]]  # shot -> the levels that its scheduler went through

SCHEDULER = "diffusers' scheduler"  # which chooses them
NEAR = 1e-5  # between two levels that are the same; schedulers compute them in float32


@dataclass(frozen=True)
class ScheduleMismatch:
    """A shot that was denoised along other noise levels than expected."""

    shot: str
    expected: tuple[float, ...]
    actual: tuple[float, ...]

    @property
    def first(self) -> int:
        """The first level that differs, counted from 0; where one list begins the other, the end of the shorter."""
        both = enumerate(zip(self.expected, self.actual, strict=False))
        shorter = min(len(self.expected), len(self.actual))
        return next((place for place, (one, other) in both if not _near(one, other)), shorter)

    def sentence(self, *, whose: str) -> str:
        """Where they differ first, and which library it was most likely; `whose` names the expected levels."""
        went = f"Shot '{self.shot}' went through {len(self.actual)} noise levels"
        due = f"{whose} through {len(self.expected)}" if len(self.expected) != len(self.actual) else f"as {whose} did"
        return f"{went}, {due}; {self._place(whose)}: most likely {SCHEDULER}"

    def _place(self, whose: str) -> str:
        place = self.first
        if place < min(len(self.expected), len(self.actual)):
            ours, theirs = _distinct(self.actual[place], self.expected[place])
            return f"level {place + 1} is {ours} where {whose} is {theirs}"
        return f"the first {place} are the same"


def schedule_mismatches(expected: Levels, actual: Levels) -> tuple[ScheduleMismatch, ...]:
    """The shots that both sides know and that went through different levels."""
    both = ((shot, expected[shot], ours) for shot, ours in actual.items() if expected.get(shot))
    return tuple(ScheduleMismatch(shot, theirs, ours) for shot, theirs, ours in both if not _same(theirs, ours))


def _same(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return len(one) == len(other) and all(map(_near, one, other))


def _near(one: float, other: float) -> bool:
    return abs(one - other) < NEAR


def _distinct(one: float, other: float) -> tuple[str, str]:
    """Both levels with four digits, or with as many more as it takes to tell them apart."""
    digits = next((digits for digits in range(4, 9) if f"{one:.{digits}f}" != f"{other:.{digits}f}"), 9)
    return f"{one:.{digits}f}", f"{other:.{digits}f}"

"""The total matrix: every subject × strategy is a case, or unsupported with a reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fluxgate.machine import Machine, Stack
from fluxgate.strategies import settled
from fluxgate.strategies.promise import Strategy
from fluxgate.subjects.subject import Shot, Subject


@dataclass(frozen=True)
class Case:
    """One subject under one strategy on one device."""

    subject: Subject
    strategy: Strategy
    device: str
    unsupported: str | None = None  # the reason why it cannot be rendered here

    @property
    def id(self) -> str:
        return f"{self.subject.name}-{self.strategy.name}"

    @property
    def shots(self) -> tuple[Shot, ...]:
        return self.subject.shots_for(self.device, slow=self.strategy.slow)


def matrix(
    subjects: Iterable[Subject], strategies: Iterable[Strategy], *, machine: Machine, stack: Stack
) -> tuple[Case, ...]:
    """Every case of the given subjects and strategies, in the order of the registries."""
    strategies = tuple(strategies)
    return tuple(
        Case(
            subject,
            settled(strategy, subject, machine, stack),
            machine.device,
            strategy.unsupported(subject, machine, stack),
        )
        for subject in subjects
        for strategy in strategies
    )

"""The total matrix: every subject × strategy is a case, or unsupported with a reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from fluxgate.machine import Machine, Stack
from fluxgate.rendering import id_of_case
from fluxgate.strategies.effects import for_subject
from fluxgate.strategies.promise import Promise, Strategy
from fluxgate.strategies.requirements import reads_files
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
        return id_of_case(self.subject.name, self.strategy.name)

    @property
    def shots(self) -> tuple[Shot, ...]:
        return self.subject.shots_for(self.device, slow=self.strategy.slow)


def matrix(
    subjects: Iterable[Subject], strategies: Iterable[Strategy], *, machine: Machine, stack: Stack
) -> tuple[Case, ...]:
    """Every case of the given subjects, in the order of the registries. `strategies` are all there are, since those
    that cannot be rendered decide what others promise; choose among the cases, not before."""
    named = {strategy.name: strategy for strategy in strategies}
    return tuple(case for subject in subjects for case in _cases_of(subject, named, machine, stack))


def _cases_of(subject: Subject, named: Mapping[str, Strategy], machine: Machine, stack: Stack) -> Iterator[Case]:
    unreadable = reads_files(subject, machine, stack)
    reasons = {name: unreadable or strategy.unsupported(subject, machine, stack) for name, strategy in named.items()}
    missing = {name: named[name].promise for name, reason in reasons.items() if reason}
    for name, strategy in named.items():
        promise = _judgeable(strategy.promise, missing)
        shots = subject.shots_for(machine.device, slow=strategy.slow)
        effects = tuple(for_subject(effect, subject, shots) for effect in promise.effects)
        judgeable = replace(strategy, promise=replace(promise, effects=effects))
        yield Case(subject, judgeable, machine.device, reasons[name])


def _judgeable(promise: Promise, missing: Mapping[str, Promise]) -> Promise:
    """What reproduces a strategy that cannot be rendered promises what that strategy promises."""
    left = dict(missing)  # each once, should promises lead back to themselves
    while reference := left.pop(promise.reproduces or "", None):
        promise = replace(
            promise,
            reproduces=reference.reproduces,
            approximates=reference.approximates,
            other_work=(*promise.other_work, *reference.other_work),
        )
    return promise

"""The total matrix: every subject × strategy is a case, or unsupported with a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fluxgate.machine import Machine, Stack
from fluxgate.rendering import case_id
from fluxgate.strategies.effects import for_subject
from fluxgate.strategies.promise import Promise, Strategy
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
        return case_id(self.subject.name, self.strategy.name)

    @property
    def shots(self) -> tuple[Shot, ...]:
        return self.subject.shots_for(self.device, slow=self.strategy.slow)


def matrix(
    subjects: Iterable[Subject], strategies: Iterable[Strategy], *, machine: Machine, stack: Stack
) -> tuple[Case, ...]:
    """Every case of the given subjects, in the order of the registries. `strategies` are all there are, since those
    that cannot be rendered decide what others promise; choose among the cases, not before."""
    subjects, strategies = tuple(subjects), tuple(strategies)
    reasons = {
        case_id(subject.name, strategy.name): strategy.unsupported(subject, machine, stack)
        for subject in subjects
        for strategy in strategies
    }
    return cases_from(reasons, subjects, strategies, device=machine.device)


def cases_from(
    reasons: Mapping[str, str | None], subjects: Iterable[Subject], strategies: Iterable[Strategy], *, device: str
) -> tuple[Case, ...]:
    """The cases that have an entry in `reasons`, which says why a case cannot be rendered, or None where it can be.

    Their promises are what can be judged there, so a run that keeps the reasons is judged as it was rendered."""
    named = {strategy.name: strategy for strategy in strategies}
    return tuple(
        Case(subject, _adapted(strategy, subject, named, reasons), device, reasons[case_id(subject.name, name)])
        for subject in subjects
        for name, strategy in named.items()
        if case_id(subject.name, name) in reasons
    )


def _adapted(
    strategy: Strategy, subject: Subject, named: Mapping[str, Strategy], reasons: Mapping[str, str | None]
) -> Strategy:
    """The strategy with the promise that can be judged: its effects speak of the subject's own components."""
    promise = strategy.promise
    for _ in named:  # not for ever, should promises in a damaged run lead back to themselves
        reference = named.get(promise.reproduces or "")
        if reference is None or not reasons.get(case_id(subject.name, reference.name)):
            break
        promise = _inherited(promise, reference.promise)
    effects = tuple(for_subject(effect, subject) for effect in promise.effects)
    return replace(strategy, promise=replace(promise, effects=effects))


def _inherited(promise: Promise, reference: Promise) -> Promise:
    """What reproduces a strategy that cannot be rendered promises what that strategy promises."""
    return replace(promise, reproduces=reference.reproduces, approximates=reference.approximates)

"""The listing: which subjects and strategies there are, what they need and promise, and what can run here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fluxgate.machine import Machine, Stack
from fluxgate.strategies.promise import Promise, Strategy
from fluxgate.strategies.record import StrategyRecord, record_of
from fluxgate.subjects.subject import Subject

SCHEMA = 1  # of the listing as JSON


@dataclass(frozen=True)
class ListedSubject:
    """A subject, and why it is not ready; None for one that is."""

    subject: Subject
    not_ready: str | None


@dataclass(frozen=True)
class ListedStrategy:
    """A strategy, what it promises in words, the marks by which pytest selects it, and why it cannot run here."""

    strategy: StrategyRecord
    promise: str
    marks: tuple[str, ...]
    unsupported: dict[str, str]  # subject -> the reason; subjects with which it can run are not there


@dataclass(frozen=True)
class Listing:
    """All that there is to choose from, as seen from this machine."""

    machine: Machine
    stack: Stack
    subjects: dict[str, ListedSubject]  # by name, as are the strategies
    strategies: dict[str, ListedStrategy]
    schema: int = SCHEMA


def listing(
    subjects: Iterable[Subject],
    strategies: Iterable[Strategy],
    *,
    machine: Machine,
    stack: Stack,
    why_not_ready: Callable[[Subject], str | None],
) -> Listing:
    """What there is, each strategy asked about every subject."""
    subjects = tuple(subjects)
    return Listing(
        machine,
        stack,
        {subject.name: ListedSubject(subject, why_not_ready(subject)) for subject in subjects},
        {strategy.name: _listed(strategy, subjects, machine, stack) for strategy in strategies},
    )


def _listed(strategy: Strategy, subjects: Iterable[Subject], machine: Machine, stack: Stack) -> ListedStrategy:
    reasons = {subject.name: strategy.unsupported(subject, machine, stack) for subject in subjects}
    return ListedStrategy(
        strategy=record_of(strategy),
        promise=promise_in_words(strategy.promise),
        marks=(strategy.family, *(["slow"] if strategy.slow else []), *(["gpu"] if machine.device == "cuda" else [])),
        unsupported={subject: reason for subject, reason in reasons.items() if reason is not None},
    )


def promise_in_words(promise: Promise) -> str:
    """`reproduces full, less memory`: to the pixel, or as like as was measured; in less memory than another."""
    if promise.reference is None:
        return "the reference of all"
    words = f"reproduces {promise.reproduces}" if promise.reproduces else f"approximates {promise.approximates}"
    if promise.less_memory_than is None:
        return words
    than = "" if promise.less_memory_than == promise.reference else f" than {promise.less_memory_than}"
    return f"{words}, less memory{than}"

"""The listing: which subjects and strategies there are, what they need and promise, and what can run here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from fluxgate.amounts import amount
from fluxgate.judge.sentences import listed
from fluxgate.machine import Machine, Stack
from fluxgate.report.escaping import plain, wrapped
from fluxgate.strategies.promise import Promise, Strategy
from fluxgate.strategies.record import StrategyRecord, record_of
from fluxgate.subjects.subject import Needs, Subject

SCHEMA = 1  # of the listing as JSON
CHOOSING = "Choose with --subject=NAME[,NAME] and --strategy=NAME[,NAME], or by a mark: pytest -m offloading."


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


# In words


def in_words(listing: Listing, *, width: int) -> str:
    """The listing for a terminal: subjects, then strategies; those that cannot run here at the end, by reason."""
    here: list[ListedStrategy] = []
    by_reason: dict[str, list[ListedStrategy]] = {}
    for one in listing.strategies.values():
        reason = _why_not_here(one, listing)
        (here if reason is None else by_reason.setdefault(reason, [])).append(one)
    blocks = [
        [f"This machine: {plain(listing.machine.name)} ({plain(listing.machine.id)})"],
        ["Subjects", *_subjects(listing.subjects.values(), width)],
        [f"{_counted(here)} can run here", *_rows(here, listing, width)],
    ]
    for reason, those in by_reason.items():
        heading = wrapped(f"{_counted(those)} cannot run here: {reason}", width)
        blocks.append([*heading, *_rows(those, listing, width)])
    blocks.append(wrapped(CHOOSING, width))
    return "\n\n".join("\n".join(block) for block in blocks)


def _why_not_here(one: ListedStrategy, listing: Listing) -> str | None:
    """Why a strategy can run with no subject at all; None for one that can with some."""
    none_left = bool(one.unsupported) and len(one.unsupported) == len(listing.subjects)
    return "; ".join(dict.fromkeys(one.unsupported.values())) if none_left else None


def _counted(those: Sequence[ListedStrategy]) -> str:
    return "1 strategy" if len(those) == 1 else f"{len(those)} strategies"


def _subjects(subjects: Iterable[ListedSubject], width: int) -> Iterator[str]:
    for one in subjects:
        yield from wrapped(f"{one.subject.name}: {one.subject.about}", width, indent="  ")
        ready = f"not ready: {one.not_ready}" if one.not_ready else "ready"
        yield from wrapped(f"needs {_needs(one.subject.needs)}; {ready}", width, indent="    ")


def _needs(needs: Needs) -> str:
    words = [f"{amount(needs.disk)} of disk"] if needs.disk else []
    words += [f"{amount(needs.vram)} of GPU memory"] if needs.vram else []
    words += ["a token of the hub"] if needs.token else []
    return listed(words) or "nothing"


def _rows(strategies: Iterable[ListedStrategy], listing: Listing, width: int) -> Iterator[str]:
    """Name, promise and marks in columns that all strategies share, and below them what each does.

    Where there is no room for the marks, they stand before what it does."""
    every = listing.strategies.values()
    name, promise = max(len(one.strategy.name) for one in every), max(len(one.promise) for one in every)
    roomy = 6 + name + promise + max(len(", ".join(one.marks)) for one in every) <= width
    for one in strategies:
        marks, about = ", ".join(one.marks), one.strategy.about
        row = f"  {one.strategy.name:<{name}}  {one.promise:<{promise}}  "
        yield f"{row}{marks}" if roomy else row.rstrip()
        yield from wrapped(about if roomy else f"[{marks}] {about}", width, indent="    ")
        if _why_not_here(one, listing) is None:
            for subject, reason in one.unsupported.items():
                yield from wrapped(f"Not with {subject}: {reason}", width, indent="    ")

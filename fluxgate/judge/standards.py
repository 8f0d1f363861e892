"""What is kept from earlier runs, and what a new one is held against."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping

from fluxgate.baselines import integrity, known_failures
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.store import Store
from fluxgate.judge.gathering import Paces, Standards
from fluxgate.judge.verdict import CHECKS
from fluxgate.machine import Machine, Stack
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.sources import locate, why_not_ready
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import numbers_on_disk


def known(store: Store, *, subjects: Collection[str]) -> tuple[KnownFailure, ...]:
    """The known failures; an entry that names nothing there is would never be noticed, so it is refused."""
    entries = known_failures.read_all(store)
    known_failures.refuse_unknown_names(
        entries, subjects=subjects, strategies=[strategy.name for strategy in STRATEGIES], checks=CHECKS
    )
    return entries


def standards(
    machine: Machine,
    stack: Stack,
    *,
    store: Store,
    known: tuple[KnownFailure, ...],
    require_baseline: bool,
    no_baseline: bool,
    paces: Paces,
) -> Standards:
    """What the cases of a run are held against besides each other."""
    return Standards(
        machine,
        stack,
        store=store,
        known=known,
        require_baseline=require_baseline,
        no_baseline=no_baseline,
        on_disk=numbers_at_hand,
        paces=paces,
    )


def numbers_at_hand(subject: Subject) -> Mapping[str, int]:
    """How many numbers each component has on disk, where that can be told without a download."""
    if subject.source.startswith("hub:") or why_not_ready(subject) is not None:
        return {}
    return numbers_on_disk(locate(subject))


def complaints(store: Store, *, machine: Machine, stack: Stack, subjects: Mapping[str, Subject]) -> tuple[str, ...]:
    """A sentence for all that must be looked at again in one's own baselines and known failures, whatever is rendered.

    Nobody can change what ships, so nobody is asked to."""
    today = datetime.datetime.now(datetime.UTC).date()
    cases = {f"{subject}-{strategy.name}" for subject in subjects for strategy in STRATEGIES}
    own = known_failures.read(store.own / known_failures.FILE)
    outdated = known_failures.complaints(own, device=machine.device, stack=stack, today=today)
    return outdated + integrity.complaints(store, cases=cases, subjects=subjects)

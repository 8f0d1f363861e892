"""What is kept from earlier runs, and what a new one is held against."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from pathlib import Path

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines import known_failures, limits, manifest
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.judge.gathering import Standards
from fluxgate.judge.verdict import CHECKS
from fluxgate.machine import Machine, Stack
from fluxgate.refusal import Refusal
from fluxgate.runs.run import Run
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.sources import locate, why_not_ready
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import numbers_on_disk

BASELINES = Path(__file__).parents[1] / "baselines"


def known(store: Path, *, subjects: Collection[str]) -> tuple[KnownFailure, ...]:
    """The known failures; an entry that names nothing there is would never be noticed, so it is refused."""
    entries = known_failures.read(store / known_failures.FILE)
    known_failures.check(
        entries, subjects=subjects, strategies=[strategy.name for strategy in STRATEGIES], checks=CHECKS
    )
    return entries


def standards(
    machine: Machine,
    stack: Stack,
    *,
    store: Path,
    known: tuple[KnownFailure, ...],
    require_baseline: bool,
    no_baseline: bool,
    earlier: tuple[Run, ...],
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
        earlier=earlier,
    )


def refuse_damaged(store: Path, *, machine: str, subjects: Collection[str], no_baseline: bool) -> None:
    """Before anything is rendered: all that these subjects will be held against is as it was accepted.

    Where nobody asks what was accepted, only the calibrated limits are needed."""
    for subject in subjects:
        for place in limits.lenders(store, machine, subject):
            limits.read_limits(store, place, subject)
        for place in (machine, baselines.PORTABLE):
            limits.read_limits(store, place, subject)
            folder = baselines.folder_of(store, place, subject)
            damages = manifest.damages(folder) if folder.exists() and not no_baseline else ()
            if damages:
                more = f" (and {len(damages) - 1} more like it)" if len(damages) > 1 else ""
                raise Refusal(f"{damages[0]}{more}")


def numbers_at_hand(subject: Subject) -> Mapping[str, int]:
    """How many numbers each component has on disk, where that can be told without a download."""
    if subject.source.startswith("hub:") or why_not_ready(subject) is not None:
        return {}
    return numbers_on_disk(locate(subject))


def complaints(
    store: Path, entries: tuple[KnownFailure, ...], *, machine: Machine, stack: Stack, subjects: Mapping[str, Subject]
) -> tuple[str, ...]:
    """A sentence for all that must be looked at again in what is kept, whatever is rendered."""
    today = datetime.datetime.now(datetime.UTC).date()
    cases = {f"{subject}-{strategy.name}" for subject in subjects for strategy in STRATEGIES}
    outdated = known_failures.complaints(entries, device=machine.device, stack=stack, today=today)
    return outdated + baselines.complaints(store, cases=cases, subjects=subjects)

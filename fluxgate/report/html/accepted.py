"""The stack that a run's baselines were accepted with: what the run's own stack was before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from fluxgate.baselines.baseline import Acceptance, read_case
from fluxgate.baselines.store import Store
from fluxgate.cases import Case
from fluxgate.machine import Stack
from fluxgate.refusal import Refusal


def accepted_stack(store: Store, machine: str, cases: Iterable[Case]) -> Stack | None:
    """Of the cases that were accepted on this machine, the stack of the latest; None where none was."""
    latest = max(_acceptances(store, machine, cases), key=lambda one: one.at, default=None)
    return latest.stack if latest else None


def _acceptances(store: Store, machine: str, cases: Iterable[Case]) -> Iterator[Acceptance]:
    for case in cases:
        with suppress(Refusal):  # the judge refuses what is damaged; here it only says less
            baseline = read_case(store, machine, case.subject.name, case.strategy.name)
            if baseline is not None:
                yield baseline.case.accepted

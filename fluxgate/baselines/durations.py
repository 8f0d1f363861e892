"""How long cases take by what was accepted of them: to deal them out evenly, alike in every process and machine."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from statistics import median

from fluxgate.baselines.baseline import read_case
from fluxgate.baselines.store import PORTABLE, Store
from fluxgate.cases import Case
from fluxgate.machine import device_of
from fluxgate.refusal import Refusal


def accepted_seconds(store: Store, machine: str, cases: Iterable[Case]) -> dict[str, float]:
    """Case -> its seconds on this machine, else on another one that has it accepted, rather a GPU where this is one;
    only what is known."""
    found = {case.id: _seconds(store, machine, case) for case in cases}
    return {case_id: seconds for case_id, seconds in found.items() if seconds is not None}


def _seconds(store: Store, machine: str, case: Case) -> float | None:
    subject, strategy = case.subject.name, case.strategy.name
    others = sorted(store.machines_of(subject), key=lambda other: device_of(other) != device_of(machine))
    for place in dict.fromkeys((machine, *others)):
        if place == PORTABLE:
            continue
        with suppress(Refusal):  # a damaged one is told where it is judged
            baseline = read_case(store, place, subject, strategy)
            if baseline is not None and baseline.case.seconds:
                return sum(median(each) for each in baseline.case.seconds.values() if each)
    return None

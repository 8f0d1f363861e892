"""Proving: a fault is put into the libraries of a worker, its cases are rendered, and the judge is asked."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from fluxgate.cases import Case
from fluxgate.files import read_plain, write_plain
from fluxgate.locks import held
from fluxgate.prove.bench import Bench, cases_of, fired, rendered
from fluxgate.prove.clean import Clean, CrashedClean, clean_of
from fluxgate.prove.fault import Fault
from fluxgate.prove.held_to import red
from fluxgate.prove.outcome import INAPPLICABLE, JUDGED, UNCLEAN, UNSUPPORTED, Catch, Outcome, With
from fluxgate.prove.patching import CANNOT_BE_MADE
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run

OUTCOMES, FAULTY = "faults", "rendered"  # in the bench's folder: a file for each fault; what is rendered with them
ONCE, TWICE = 1, 2  # how often each shot is rendered: whether it is the same twice is asked where a fault needs it


def prove(fault: Fault, on: Bench, *, again: bool = False) -> Outcome:
    """What becomes of a fault; what is known of these releases and this Fluxgate is not rendered again."""
    path = on.folder / OUTCOMES / f"{fault.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with held(
        path.with_suffix(".lock"), waiting=f"waiting for another process that proves {fault.name}", report=on.report
    ):
        if path.exists() and not again:
            outcome = read_plain(path, Outcome)
            if outcome.proved_by == on.proved_by:
                return outcome
            on.report(f"{fault.name} was proved with other releases, or by another Fluxgate: it is proved again")
        if again:
            shutil.rmtree(_faulty(fault, on), ignore_errors=True)
        started = time.monotonic()
        outcome = replace(_proved(fault, on), seconds=round(time.monotonic() - started, 1))
        if outcome.status != UNCLEAN:  # says nothing about the fault, and may go otherwise the next time
            write_plain(path, outcome)
        return outcome


def known(faults: Iterable[Fault], folder: Path) -> list[tuple[Fault, Outcome]]:
    """What a folder has outcomes of, in the order of the faults."""
    paths = {fault: folder / OUTCOMES / f"{fault.name}.json" for fault in faults}
    return [(fault, read_plain(path, Outcome)) for fault, path in paths.items() if path.exists()]


def _proved(fault: Fault, on: Bench) -> Outcome:
    machine, stack = on.environment.machine, on.environment.stack
    begun = Outcome(
        fault.name, JUDGED, machine=machine.id, device=machine.device, stack=dict(stack), proved_by=on.proved_by
    )
    if fault.only_on not in (None, machine.device):
        return replace(begun, status=UNSUPPORTED, why=_why_there_only(fault))
    cases = cases_of(fault, on)
    without = next((f"{case.id}: {case.unsupported}" for case in cases if case.unsupported), None)
    if without:
        return replace(begun, status=UNSUPPORTED, why=without)
    on.workers.takes = TWICE if fault.later else ONCE
    try:
        clean = clean_of(fault, cases, on)
    except CrashedClean as crashed:
        return replace(begun, status=UNCLEAN, why=str(crashed))
    folder = _faulty(fault, on)
    run = runs.open_run(folder) if folder.exists() else rendered(cases, on, folder, fault=fault)
    try:
        crash = next((one.crash for one in run.renderings().values() if one.crash), None)
        if crash is not None and CANNOT_BE_MADE in crash.sentence:
            return replace(begun, status=INAPPLICABLE, why=crash.sentence)
        catches = {one.value: tuple(_catches(cases, run, clean, on, one)) for one in on.held_to}
        return replace(begun, fired=fired(cases, run), catches=catches)
    finally:
        if not on.keep:
            shutil.rmtree(folder, ignore_errors=True)


def _faulty(fault: Fault, on: Bench) -> Path:
    """Where what is rendered with a fault lies until it is judged."""
    return on.folder / FAULTY / on.proved_by / fault.name


def _why_there_only(fault: Fault) -> str:
    where = "GPU" if fault.only_on == "cuda" else "CPU"
    return f"It {'is harmless' if fault.equivalent else 'shows'} on a {where} only."


def _catches(cases: Iterable[Case], run: Run, clean: Clean, on: Bench, held_to: With) -> Iterator[Catch]:
    """The checks that are red, and are not without the fault."""
    for verdict in red(cases, run, on, held_to, own=clean.store):
        key = (verdict.strategy, verdict.check)
        if key not in clean.red.get(held_to.value, frozenset()):
            yield Catch(*key, verdict.status, verdict.sentence, verdict.stage)

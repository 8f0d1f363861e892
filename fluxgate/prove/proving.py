"""Proving: a fault is put into the libraries of a worker, its cases are rendered, and the judge is asked."""

from __future__ import annotations

import datetime
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from fluxgate.baselines import accepting, planning
from fluxgate.baselines.known_failures import FILE as KNOWN_FAILURES
from fluxgate.baselines.store import PORTABLE, Store, shipped
from fluxgate.cases import Case, matrix
from fluxgate.environment import Environment
from fluxgate.files import read_plain, write_plain
from fluxgate.judge.gathering import judge_cases
from fluxgate.judge.standards import BaselineUse, Standards, known_failures_of
from fluxgate.judge.verdict import CRASHED, FAILED, Verdict
from fluxgate.locks import held
from fluxgate.prove import inside
from fluxgate.prove.fault import Fault
from fluxgate.prove.outcome import INAPPLICABLE, JUDGED, UNSUPPORTED, Catch, Outcome, With
from fluxgate.prove.patching import CANNOT_BE_MADE, times_fired
from fluxgate.render.pool.workers import Workers
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects import sources
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import numbers_at_hand

SUBJECT = "miniature"
RUNS, FAULTY, SECOND = "rendering", "rendered", "second"
ONCE, TWICE = 1, 2  # how often each shot is rendered: whether it is the same twice is asked where a fault needs it
TIMEOUT = 600.0  # seconds for a case: a fault may make a worker hang
OUTCOMES, CLEAN = "faults", "clean"  # in the output's folder: a file for each fault; what is rendered without one
WHY = "rendered without a fault, to hold faulty runs against"

Report = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """Where faults are proved: the libraries, the workers, and the folder of all that is rendered."""

    environment: Environment
    workers: Workers
    folder: Path
    report: Report
    held_to: tuple[With, ...] = tuple(With)
    keep: bool = False  # what was rendered, pictures and all


@dataclass(frozen=True)
class Clean:
    """The same cases without a fault: accepted, rendered once more, and judged."""

    store: Path
    red: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)  # With.value -> (strategy, check)


@dataclass(frozen=True)
class CleanFacts:
    """What is written down of a clean rendering, so that it is done once."""

    red: dict[str, tuple[tuple[str, str], ...]]


@contextmanager
def bench(
    folder: Path, *, report: Report, held_to: tuple[With, ...] = tuple(With), keep: bool = False
) -> Iterator[Bench]:
    """A bench in this process's environment; its workers import the libraries once."""
    for name in (OUTCOMES, CLEAN):
        (folder / name).mkdir(parents=True, exist_ok=True)
    environment = Environment.current()
    with Workers(environment=environment) as workers:
        yield Bench(environment, workers, folder.absolute(), report, held_to, keep)


def prove(fault: Fault, on: Bench, *, again: bool = False) -> Outcome:
    """What becomes of a fault; what is known already is not rendered again."""
    path = on.folder / OUTCOMES / f"{fault.name}.json"
    with held(
        path.with_suffix(".lock"), waiting=f"waiting for another process that proves {fault.name}", report=on.report
    ):
        if path.exists() and not again:
            return read_plain(path, Outcome)
        if again:
            shutil.rmtree(on.folder / FAULTY / fault.name, ignore_errors=True)
        started = time.monotonic()
        outcome = replace(_proved(fault, on), seconds=round(time.monotonic() - started, 1))
        write_plain(path, outcome)
        return outcome


def known(faults: Iterable[Fault], folder: Path) -> list[tuple[Fault, Outcome]]:
    """What a folder has outcomes of, in the order of the faults."""
    paths = {fault: folder / OUTCOMES / f"{fault.name}.json" for fault in faults}
    return [(fault, read_plain(path, Outcome)) for fault, path in paths.items() if path.exists()]


def _proved(fault: Fault, on: Bench) -> Outcome:
    machine, stack = on.environment.machine, on.environment.stack
    known = Outcome(fault.name, JUDGED, machine=machine.id, device=machine.device, stack=dict(stack))
    if fault.gpu and machine.device != "cuda":
        return replace(known, status=UNSUPPORTED, why="It shows on a GPU only.")
    cases = cases_of(fault, on)
    without = next((f"{case.id}: {case.unsupported}" for case in cases if case.unsupported), None)
    if without:
        return replace(known, status=UNSUPPORTED, why=without)
    on.workers.takes = TWICE if fault.later else ONCE
    clean = _clean(fault, cases, on)
    folder = on.folder / FAULTY / fault.name
    run = runs.open_run(folder) if folder.exists() else _rendered(cases, on, folder, fault=fault)
    try:
        crash = next((one.crash for one in run.renderings().values() if one.crash), None)
        if crash is not None and CANNOT_BE_MADE in crash.sentence:
            return replace(known, status=INAPPLICABLE, why=crash.sentence)
        catches = {one.value: tuple(_catches(cases, run, clean, on, one)) for one in on.held_to}
        return replace(known, fired=_fired(cases, run), catches=catches)
    finally:
        if not on.keep:
            shutil.rmtree(folder, ignore_errors=True)


def cases_of(fault: Fault, on: Bench) -> tuple[Case, ...]:
    """The cases that show a fault, those first that others are compared with."""
    subject = subjects()[SUBJECT]
    subject = replace(subject, shots=tuple(shot for shot in subject.shots if shot.name in fault.shots))
    every = matrix([subject], STRATEGIES, machine=on.environment.machine, stack=on.environment.stack)
    by_name = {case.strategy.name: case for case in every}
    names: dict[str, None] = {}
    for strategy in fault.strategies:
        names |= dict.fromkeys((*by_name[strategy].strategy.promise.compared_with, strategy))
    return tuple(case for name, case in by_name.items() if name in names)


def _rendered(cases: Iterable[Case], on: Bench, folder: Path, *, fault: Fault | None = None) -> Run:
    """A run of the cases, in workers whose libraries have the fault; the folder is there once all are rendered."""
    environment = on.environment
    run = runs.create(on.folder / RUNS, environment.machine, environment.stack, "fluxgate prove")
    with _named(fault):
        for case in cases:
            load = inside.load if fault else case.strategy.load
            on.workers.render(
                replace(case, strategy=replace(case.strategy, load=load)),
                run.case_folder(case.id),
                source=sources.locate(case.subject),
                timeout=TIMEOUT,
            )
    finished = runs.finish(run).folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    finished.rename(folder)
    return runs.open_run(folder)


@contextmanager
def _named(fault: Fault | None) -> Iterator[None]:
    """Let workers that start meanwhile know of the fault."""
    if fault is not None:
        os.environ[inside.VARIABLE] = fault.name
    try:
        yield
    finally:
        os.environ.pop(inside.VARIABLE, None)


def _fired(cases: Iterable[Case], run: Run) -> dict[str, int]:
    return {case.strategy.name: times_fired(run.case_folder(case.id) / inside.COUNT) for case in cases}


# What a faulty run is held to


def _clean(fault: Fault, cases: tuple[Case, ...], on: Bench) -> Clean:
    """The cases without the fault, rendered and accepted once for all faults that they can show."""
    takes = ("twice",) if fault.later else ()
    name = "+".join((*takes, *fault.shots, *(case.strategy.name for case in cases)))
    folder = on.folder / CLEAN / name
    clean, facts = Clean(folder / "store"), folder / "clean.json"
    with held(folder.with_name(f".{name}.lock"), waiting=f"waiting for the clean {name}", report=on.report):
        if not (folder / SECOND).exists():
            shutil.rmtree(folder, ignore_errors=True)
            on.report(f"rendering {name} without a fault")
            _accept(_rendered(cases, on, folder / "first"), cases, clean.store)
            _rendered(cases, on, folder / SECOND)
        if not facts.exists():
            second = runs.open_run(folder / SECOND)
            write_plain(facts, CleanFacts({one.value: tuple(_red(cases, second, clean, on, one)) for one in With}))
    red_of = read_plain(facts, CleanFacts).red
    return replace(clean, red={mode: frozenset(pairs) for mode, pairs in red_of.items()})


def _accept(run: Run, cases: Iterable[Case], store: Path) -> None:
    by_id = {case.id: case for case in cases}
    plan = planning.plan(run, planning.Request(), root=store, cases=by_id, known_failures=())
    now = datetime.datetime.now(datetime.UTC)
    accepting.write(plan, accepting.acceptance(run, because=WHY, by="fluxgate prove", at=now))


def _store(clean: Clean, on: Bench, held_to: With) -> Store:
    """What a run may be held to: its own machine's clean rendering, or only what holds on any machine."""
    return Store(clean.store if held_to is With.BASELINE else on.folder / "empty", _for_any_machine(on.folder))


def _for_any_machine(folder: Path) -> Path | None:
    """Of what ships, the part that is of no machine."""
    every, portable = shipped(), folder / "shipped"
    if every is None:
        return None
    if not portable.exists():
        new = folder / f".shipped-{os.getpid()}"
        shutil.copytree(every / PORTABLE, new / PORTABLE)
        shutil.copy2(every / KNOWN_FAILURES, new / KNOWN_FAILURES)
        try:
            new.rename(portable)
        except OSError:  # another process was faster
            shutil.rmtree(new)
    return portable


def _verdicts(cases: Iterable[Case], run: Run, clean: Clean, on: Bench, held_to: With) -> tuple[Verdict, ...]:
    subject: Mapping[str, Subject] = subjects()
    store = _store(clean, on, held_to)
    standards = Standards(
        on.environment.machine,
        on.environment.stack,
        store=store,
        known_failures=known_failures_of(store, subjects=subject),
        baseline_use=BaselineUse.IGNORED if held_to is With.NOTHING else BaselineUse.IF_ANY,
        numbers_on_disk=numbers_at_hand,
    )
    return judge_cases(cases, run.rendered_cases().get, standards, run=run.folder)


def _red(cases: Iterable[Case], run: Run, clean: Clean, on: Bench, held_to: With) -> Iterator[tuple[str, str]]:
    for verdict in _verdicts(cases, run, clean, on, held_to):
        if verdict.status in (FAILED, CRASHED):
            yield verdict.strategy, verdict.check


def _catches(cases: Iterable[Case], run: Run, clean: Clean, on: Bench, held_to: With) -> Iterator[Catch]:
    """The checks that are red, and are not without the fault."""
    for verdict in _verdicts(cases, run, clean, on, held_to):
        key = (verdict.strategy, verdict.check)
        if verdict.status in (FAILED, CRASHED) and key not in clean.red.get(held_to.value, frozenset()):
            yield Catch(*key, verdict.status, verdict.sentence, verdict.stage)

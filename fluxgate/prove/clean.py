"""The cases of a fault without it: accepted, rendered once more, and judged, once for all faults that they can show."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fluxgate.baselines import accepting, planning
from fluxgate.cases import Case
from fluxgate.files import read_plain, write_plain
from fluxgate.locks import held
from fluxgate.prove.bench import Bench, rendered
from fluxgate.prove.fault import Fault
from fluxgate.prove.held_to import red
from fluxgate.prove.outcome import With
from fluxgate.refusal import Refusal
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run

CLEAN, SECOND = "clean", "second"  # folders: of clean renderings, by what proved with them; of the one that is judged
WHY = "rendered without a fault, to hold faulty runs against"


class CrashedClean(Refusal):
    """A case crashed without a fault; its message says which and why."""


@dataclass(frozen=True)
class Clean:
    """The store that a clean rendering was accepted into, and what was red of a second one nevertheless."""

    store: Path
    red: Mapping[str, frozenset[tuple[str, str]]]  # With.value -> (strategy, check)


@dataclass(frozen=True)
class CleanFacts:
    """What is written down of a clean rendering, so that it is done once."""

    red: dict[str, tuple[tuple[str, str], ...]]


def clean_of(fault: Fault, cases: tuple[Case, ...], on: Bench) -> Clean:
    """The cases without the fault, rendered and accepted once for all faults that they can show."""
    takes = ("twice",) if fault.later else ()
    name = "+".join((*takes, *fault.rendered, *(case.strategy.name for case in cases)))
    folder = on.folder / CLEAN / on.proved_by / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    store, facts = folder / "store", folder / "clean.json"
    with held(folder.with_name(f".{name}.lock"), waiting=f"waiting for the clean {name}", report=on.report):
        if not (folder / SECOND).exists():
            shutil.rmtree(folder, ignore_errors=True)
            on.report(f"rendering {name} without a fault")
            accept(_uncrashed(rendered(cases, on, folder / "first")), cases, store)
            _uncrashed(rendered(cases, on, folder / SECOND))
        if not facts.exists():
            second = runs.open_run(folder / SECOND)
            write_plain(facts, CleanFacts({one.value: _red(cases, second, store, on, one) for one in With}))
    found = read_plain(facts, CleanFacts).red
    return Clean(store, {held_to: frozenset(pairs) for held_to, pairs in found.items()})


def _uncrashed(run: Run) -> Run:
    """The run, if each of its cases was rendered."""
    for case_id, one in run.renderings().items():
        if one.crash:
            shutil.rmtree(run.folder)  # what crashed once is tried again, not believed
            raise CrashedClean(f"{case_id}: {one.crash.sentence}")
    return run


def _red(cases: Iterable[Case], run: Run, store: Path, on: Bench, held_to: With) -> tuple[tuple[str, str], ...]:
    return tuple((verdict.strategy, verdict.check) for verdict in red(cases, run, on, held_to, own=store))


def accept(run: Run, cases: Iterable[Case], store: Path) -> None:
    """Take the pictures and facts of a run as right, into a store."""
    by_id = {case.id: case for case in cases}
    plan = planning.plan(run, planning.Request(), root=store, cases=by_id, known_failures=())
    now = datetime.datetime.now(datetime.UTC)
    accepting.write(plan, accepting.acceptance(run, because=WHY, by="fluxgate prove", at=now))

"""What a rendering is held to, and what is red of it: its machine's baselines, those of any machine, or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from fluxgate.baselines.known_failures import FILE as KNOWN_FAILURES
from fluxgate.baselines.store import PORTABLE, Store, shipped
from fluxgate.cases import Case
from fluxgate.judge.gathering import judge_cases
from fluxgate.judge.standards import BaselineUse, Standards, known_failures_of
from fluxgate.judge.verdict import CRASHED, FAILED, Verdict
from fluxgate.prove.bench import Bench
from fluxgate.prove.outcome import With
from fluxgate.runs.run import Run
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import numbers_at_hand


def red(cases: Iterable[Case], run: Run, on: Bench, held_to: With, *, own: Path) -> tuple[Verdict, ...]:
    """The verdicts on a run that are red; `own` is the store into which its machine's clean rendering was accepted."""
    subject: Mapping[str, Subject] = subjects()
    store = Store(own if held_to is With.BASELINE else on.folder / "empty", _for_any_machine(on.folder))
    standards = Standards(
        on.environment.machine,
        on.environment.stack,
        store=store,
        known_failures=known_failures_of(store, subjects=subject),
        baseline_use=BaselineUse.IGNORED if held_to is With.NOTHING else BaselineUse.IF_ANY,
        numbers_on_disk=numbers_at_hand,
    )
    verdicts = judge_cases(cases, run.rendered_cases().get, standards, run=run.folder)
    return tuple(verdict for verdict in verdicts if verdict.status in (FAILED, CRASHED))


def _for_any_machine(folder: Path) -> Path | None:
    """Of what ships, the part that is of no machine."""
    every, portable = shipped(), folder / "shipped"
    if every is None:
        return None
    if not portable.exists():
        new = folder / f".shipped-{os.getpid()}"
        shutil.copytree(every / PORTABLE, new / PORTABLE, dirs_exist_ok=True)
        shutil.copy2(every / KNOWN_FAILURES, new / KNOWN_FAILURES)
        try:
            new.rename(portable)
        except OSError:  # another process was faster
            shutil.rmtree(new)
    return portable

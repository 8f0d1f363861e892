"""Tests of how long cases take by what was accepted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fluxgate.baselines.durations import accepted_seconds
from fluxgate.baselines.store import Store
from fluxgate.runs import run as runs
from tests.baselines.acceptance import accept
from tests.runs.building import CASES, MACHINE, STACK, put, rendering, run_of


def test_seconds_are_what_was_accepted(tmp_path: Path) -> None:
    """A case without any has none, and neither has one whose baseline cannot be read."""
    accept(run_of(tmp_path / "runs", "full", "nf4"), tmp_path / "baselines")
    cases, store = list(CASES.values()), Store(tmp_path / "baselines")
    assert accepted_seconds(store, MACHINE.id, cases) == {"tiny-full": 3.0, "tiny-nf4": 3.0}
    (facts,) = (tmp_path / "baselines").rglob("nf4.json")
    facts.write_text("{")
    assert accepted_seconds(store, MACHINE.id, cases) == {"tiny-full": 3.0}


def test_another_machine_tells_what_this_one_does_not(tmp_path: Path) -> None:
    """How long a case takes beside others is much the same there."""
    accept(run_of(tmp_path / "runs", "full"), tmp_path / "baselines")
    cases, store = list(CASES.values()), Store(tmp_path / "baselines")
    assert accepted_seconds(store, "another", cases) == {"tiny-full": 3.0}


def test_a_gpu_is_told_by_another_gpu(tmp_path: Path) -> None:
    """Although a CPU has the case accepted, too: what is slow there need not be slow here."""
    slow, fast = (runs.create(tmp_path / "runs", replace(MACHINE, id=name), STACK, "x") for name in ("cpu-a", "h100"))
    for run, factor in ((slow, 6), (fast, 1)):
        one = rendering("full", run.case_folder("tiny-full"))
        durations = tuple(replace(each, seconds=each.seconds * factor) for each in one.durations)
        put(run, replace(one, durations=durations))
        accept(runs.finish(run), tmp_path / "baselines")
    store = Store(tmp_path / "baselines")
    seconds = {name: accepted_seconds(store, name, CASES.values())["tiny-full"] for name in ("h200", "cpu-other")}
    assert seconds == {"h200": 3.0, "cpu-other": 18.0}

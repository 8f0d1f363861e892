"""Tests of the history: which earlier runs count, and how fast they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.compare.pace import WINDOW
from fluxgate.files import write_plain
from fluxgate.history.earlier_runs import EarlierRuns, earlier_runs
from fluxgate.rendering import RENDERING, Crash, Duration, Rendering
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from tests.runs.building import MACHINE, STACK, rendering


def took(name: str, folder: Path, seconds: float, **changes: Any) -> Rendering:
    """A rendering that spent this long denoising."""
    durations = (Duration("load", 0.2), Duration("denoise", seconds, "fox", 0))
    return replace(rendering(name, folder), **{"durations": durations, **changes})


def run_with(root: Path, *found: tuple[str, float], finished: bool = True, **changes: Any) -> Run:
    run = runs.create(root, MACHINE, STACK, "pytest")
    for name, seconds in found:
        folder = run.case_folder(f"tiny-{name}")
        write_plain(folder / RENDERING, took(name, folder, seconds, **changes))
    return runs.finish(run) if finished else run


def test_only_runs_with_as_much_memory_count(tmp_path: Path) -> None:
    """Near a limit torch gives memory back and asks for it again, which takes time."""
    free = run_with(tmp_path)
    limited = runs.finish(runs.create(tmp_path, MACHINE, STACK, "pytest", vram_limit=12 * 10**9))
    assert earlier_runs(tmp_path, MACHINE.id).runs == (free,)
    assert earlier_runs(tmp_path, MACHINE.id, vram_limit=12 * 10**9).runs == (limited,)


def test_only_finished_runs_of_the_same_machine_count(tmp_path: Path) -> None:
    """Neither one that was cut short, nor one of another machine, nor one whose facts are damaged."""
    good = run_with(tmp_path)
    run_with(tmp_path, finished=False)
    runs.finish(runs.create(tmp_path, replace(MACHINE, id="another-torch1.0"), STACK, "pytest"))
    (run_with(tmp_path).folder / runs.FACTS).write_text("{")
    assert earlier_runs(tmp_path, MACHINE.id).runs == (good,)


def test_what_came_later_is_not_history(tmp_path: Path) -> None:
    """A run that is judged again is held against those before it."""
    first, second, _ = (run_with(tmp_path) for _ in range(3))
    assert earlier_runs(tmp_path, MACHINE.id, than=second.id).runs == (first,)


def test_history_looks_back_on_so_many_runs(tmp_path: Path) -> None:
    """The oldest are forgotten."""
    first, *_ = [run_with(tmp_path) for _ in range(WINDOW + 1)]
    found = earlier_runs(tmp_path, MACHINE.id).runs
    assert (len(found), first in found) == (WINDOW, False)


def test_paces_are_those_of_the_same_shots(tmp_path: Path) -> None:
    """In order; a run of another recipe, or in which the case crashed or shared its device, is passed over."""
    past = (
        run_with(tmp_path, ("full", 4.0)),
        run_with(tmp_path, ("full", 5.0)),
        run_with(tmp_path, ("full", 9.0), recipes={"fox": "other"}),
        run_with(tmp_path, ("full", 9.0), at_once=2),
        run_with(tmp_path, ("full", 9.0), crash=Crash("timeout", "It hung.", "denoise", ())),
        run_with(tmp_path),
    )
    now = took("full", tmp_path / "now", 1.0)
    assert EarlierRuns(past).paces(now, None) == {"load": (0.2, 0.2), "denoise": (4.0, 5.0)}


def test_a_damaged_rendering_is_no_history(tmp_path: Path) -> None:
    """It is another run's trouble."""
    good, bad = run_with(tmp_path, ("full", 4.0)), run_with(tmp_path, ("full", 5.0))
    (bad.case_folder("tiny-full") / RENDERING).write_text("{")
    paces = EarlierRuns((good, bad)).paces(took("full", tmp_path / "now", 1.0), None)
    assert paces["denoise"] == (4.0,)


def test_each_rendering_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference stands beside many cases, in each of up to twenty runs; what is not there is not looked for again."""
    past = EarlierRuns((run_with(tmp_path, ("full", 4.0), ("nf4", 2.0), ("fp4", 2.0)), run_with(tmp_path)))
    reads: list[tuple[str, str]] = []
    read = Run.rendered

    def counted(run: Run, case_id: str) -> Rendering | None:
        reads.append((run.id, case_id))
        return read(run, case_id)

    monkeypatch.setattr(Run, "rendered", counted)
    for name in ("nf4", "fp4", "nf4"):
        now = took(name, tmp_path / "now" / name, 1.0)
        assert past.paces(now, "full") == {"load": (0.2,), "denoise": (2.0,)}
    assert len(reads) == len(set(reads)) == 5


def test_the_paces_of_steps_are_there_too(tmp_path: Path) -> None:
    """One for each shot and run, the middle of its takes; a case whose reference is missing has none."""
    steps = Duration("denoise", 9.0, "fox", 0, steps=(2.0,) * 3, steps_processor=(3.0,) * 3)
    past = [run_with(tmp_path, ("full", 1.0), ("nf4", 1.0), durations=(steps, steps)) for _ in range(2)]
    now = took("nf4", tmp_path / "now", 1.0)
    assert EarlierRuns(tuple(past)).paces(now, "full")["step of fox"] == (1.0, 1.0)
    assert "step of fox" not in EarlierRuns(tuple(past)).paces(now, "gone")

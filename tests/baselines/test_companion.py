"""Tests of a file that changes together with accepted baselines: both or neither, whenever a process is killed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from fluxgate.baselines import accepting, replacement
from fluxgate.baselines.changes import Plan
from fluxgate.baselines.companion import INTENT, Companion
from fluxgate.refusal import Refusal
from fluxgate.runs.run import Run
from tests.baselines.acceptance import accept, accepted_case, planned
from tests.baselines.killing import killed_at
from tests.runs.building import NOW, put, rendering, run_of

OLD, NEW = "diffusers==0.42.1\n", "diffusers==0.43.0\n"
DRAWS: dict[str, tuple[float, ...]] = {"float32": (0.25, -1.5)}


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    path = tmp_path / "known-good.txt"
    path.write_text(OLD)
    return path


@pytest.fixture
def newer(folder: Path) -> Run:
    """A run whose facts are not the accepted ones."""
    run = run_of(folder, "full")
    put(run, replace(rendering("full", run.case_folder("tiny-full")), draws=DRAWS))
    return run


def write(plan: Plan, pins: Path) -> None:
    accepted = accepting.acceptance(plan.run, because="safe", by="somebody", at=NOW)
    accepting.write(plan, accepted, file=Companion(pins, OLD, NEW))


def moved(root: Path, pins: Path) -> tuple[bool, bool]:
    """Whether the baselines are the new ones, and the pins."""
    return accepted_case(root, "full").draws == DRAWS, pins.read_text() == NEW


def test_both_change(own: Path, newer: Run, pins: Path) -> None:
    """And nothing is left beside them."""
    write(planned(newer, own), pins)
    assert moved(own, pins) == (True, True)
    assert [path.name for path in pins.parent.iterdir() if path.name.startswith(".")] == []
    assert not (own / INTENT).exists()


def test_each_step_may_be_the_last(
    accepted: Path, root: Path, newer: Run, pins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes to the store next finds both changed, or neither."""
    seen = set()
    for number in range(200):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(accepted, root)
        pins.write_text(OLD)
        cut_short = killed_at(number, monkeypatch, partial(write, planned(newer, root), pins))
        with replacement.locked(root):
            pass
        both = moved(root, pins)
        assert both in ((True, True), (False, False)), f"cut short at step {number}"
        seen.add((both[0], cut_short))
        if not cut_short:
            break
    assert seen == {(False, True), (True, True), (True, False)}


def test_pins_that_have_changed_meanwhile_are_refused(own: Path, newer: Run, pins: Path) -> None:
    """And the baselines stay as well."""
    plan = planned(newer, own)
    pins.write_text("diffusers==0.42.2\n")
    with pytest.raises(Refusal, match="has changed since"):
        write(plan, pins)
    assert moved(own, pins) == (False, False)


def test_pins_move_where_no_baseline_does(own: Path, folder: Path, pins: Path) -> None:
    """An upgrade that changes no picture is accepted like any other."""
    run = run_of(folder, "full")
    accept(run, own)
    plan = planned(run, own)
    assert not plan.changes_anything
    write(plan, pins)
    assert pins.read_text() == NEW

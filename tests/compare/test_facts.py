"""Tests of the two ways to one side of a comparison."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines.store import Store
from fluxgate.compare.difference import compare
from fluxgate.compare.facts import WHOLE, Source, facts_of, peaks_of
from fluxgate.pictures import read_png
from fluxgate.refusal import Refusal
from fluxgate.rendering import LAST, PHASES
from fluxgate.runs.rendered import Rendered
from tests.baselines.acceptance import accept
from tests.judge.made import changed, made, nudge
from tests.runs.building import MACHINE, STACK, memory, run_of


def test_a_rendering_is_a_side(tmp_path: Path) -> None:
    """Its pictures can be read, and everything else is what was recorded."""
    ours = made(tmp_path)
    found = facts_of(ours, stack=STACK)
    (source,) = found.pictures["fox", 0]
    assert np.array_equal(source.read(), read_png(ours.folder / "fox-0.png"))
    assert found.fingerprints["pair"][LAST].shot == "pair"
    assert (found.inventory, found.recipes, found.stack) == (ours.rendering.inventory, ours.rendering.recipes, STACK)
    assert found.seconds == {"load": (1.0,), "denoise": (2.0,)}


def test_each_take_is_a_side_of_its_own(tmp_path: Path) -> None:
    """So that two takes can be compared like anything else."""
    ours = changed(made(tmp_path), nudge, shot="fox", take=1)
    first, second = facts_of(ours), facts_of(ours, take=1)
    assert first.pictures["fox", 0] != second.pictures["fox", 0]
    assert first.pictures["pair", 0] == second.pictures["pair", 0]


def test_what_was_accepted_is_the_side_that_it_was_rendered_as(tmp_path: Path) -> None:
    """A run that becomes a baseline does not differ from it."""
    run = run_of(tmp_path / "runs", "full")
    accept(run, tmp_path / "store")
    baseline = baselines.read_case(Store(tmp_path / "store"), MACHINE.id, "tiny", "full")
    assert baseline is not None
    rendered = Rendered(run.renderings()["tiny-full"], run.case_folder("tiny-full"))
    accepted, ours = baselines.accepted_facts(baseline), facts_of(rendered, stack=run.stack)
    assert accepted == ours
    found = compare(accepted, ours)
    assert all(pair.identical for pair in found.pictures)
    assert (found.stages, found.inventory, found.stack) == ((), (), ())


def test_sources_are_equal_by_what_they_show() -> None:
    """Wherever they lie."""
    one = Source("a" * 64, Path("one.png"), lambda: np.zeros((1, 1), np.uint8))
    assert one == replace(one, path=Path("other.png"), read=lambda: np.ones((1, 1), np.uint8))
    assert one != replace(one, sha256="b" * 64)


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """Before anything is read."""
    ours = made(tmp_path)
    hostile = tuple(replace(picture, file="../../passwd") for picture in ours.rendering.pictures)
    with pytest.raises(Refusal, match="no file name"):
        facts_of(replace(ours, rendering=replace(ours.rendering, pictures=hostile)))


def test_only_what_was_measured_is_a_peak() -> None:
    """The host's whole peak is the worker's own; a figure that is missing is not 0."""
    found = peaks_of(replace(memory(100, host=300), host_peak=400))
    assert found == {
        **{phase: {"allocated": (100,), "host": (300,)} for phase in PHASES},
        WHOLE: {"allocated": (100,), "host": (400,)},
    }
    assert peaks_of(None) == {}

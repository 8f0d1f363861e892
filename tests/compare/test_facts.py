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
from fluxgate.rendering import LAST, PHASES, Duration, Work
from fluxgate.runs.rendered import Rendered
from tests.baselines.acceptance import accept
from tests.judge.made import changed, left_at, made, nudge
from tests.runs.building import MACHINE, STACK, memory, run_of


def test_a_rendering_is_a_side(tmp_path: Path) -> None:
    """Its pictures can be read, and everything else is what was recorded."""
    ours = made(tmp_path)
    found = facts_of(ours, stack=STACK)
    (source,) = found.pictures["fox", 0]
    assert source.path == ours.folder / "fox-0.png"
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


def test_a_side_has_all_that_is_compared_of_its_take(tmp_path: Path) -> None:
    """The stages and noise levels of another take are not its own; work and draws are of the whole rendering."""
    work, draws = Work("fox", 4, ()), {"float32": (0.5,)}
    durations = tuple(Duration("denoise", 2.0, "fox", take, (), (1.0, take / 10)) for take in (0, 1))
    ours = left_at(made(tmp_path, work=work, draws=draws, durations=durations), LAST, take=1)
    first, second = facts_of(ours), facts_of(ours, take=1)
    assert (first.work, first.draws) == (second.work, second.draws) == (work, draws)
    assert (first.noise_levels, second.noise_levels) == ({"fox": (1.0, 0.0)}, {"fox": (1.0, 0.1)})
    assert first.fingerprints["fox"][LAST].sha256 != second.fingerprints["fox"][LAST].sha256


@pytest.mark.parametrize(("at_once", "seconds"), [(1, {"load": (1.0,), "denoise": (2.0,)}), (2, {}), (3, {})])
def test_what_shared_its_device_has_no_seconds(
    tmp_path: Path, at_once: int, seconds: dict[str, tuple[float, ...]]
) -> None:
    """With one other case, as with several."""
    assert facts_of(made(tmp_path, at_once=at_once)).seconds == seconds


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

"""Drift between runs: measured picture by picture where both have the same recipe, and kept by accepting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluxgate.baselines import case_limits
from fluxgate.baselines.store import Store
from fluxgate.calibration.drifting import Side, between, of_accepted, of_run
from fluxgate.compare.measures import MEAN_DIFFERENCE, SSIM
from fluxgate.pictures import hash_of, read_png, write_png
from fluxgate.refusal import Refusal
from fluxgate.rendering import Crash
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from tests.baselines.acceptance import accept
from tests.runs import building
from tests.runs.building import MACHINE, SHOTS, put, run_of


def moved(root: Path, *, by: int, machine: str = "other-machine") -> Run:
    """A run of `full` and `nf4` whose first picture of `full` differs in one value."""
    run = run_of(root, "full", "nf4")
    rendering = run.renderings()["tiny-full"]
    path = run.case_folder("tiny-full") / "fox-0.png"
    pixels = read_png(path)
    pixels[0, 0, 0] = (int(pixels[0, 0, 0]) + by) % 256
    write_png(path, pixels)
    pictures = [replace(p, sha256=hash_of(pixels)) if p.file == "fox-0.png" else p for p in rendering.pictures]
    put(run, replace(rendering, pictures=tuple(pictures)))
    return replace(run, facts=replace(run.facts, machine=replace(MACHINE, id=machine)))


def fresh(root: Path) -> Run:
    return runs.finish(runs.create(root, MACHINE, building.STACK, "calibrate"))


def test_what_moved_between_machines_becomes_the_drift(tmp_path: Path) -> None:
    """The case that moved has a band around what was seen, the one that stood still a band of nothing."""
    told: list[str] = []
    run = fresh(tmp_path)
    between(run, [of_run(run_of(tmp_path, "full", "nf4")), of_run(moved(tmp_path, by=3))], report=told.append)
    accept(run, tmp_path / "store")
    bands = {
        name: case_limits.for_case(Store(tmp_path / "store"), MACHINE.id, building.SUBJECT, name).drift
        for name in ("full", "nf4")
    }
    difference = {name: found[MEAN_DIFFERENCE].ceiling for name, found in bands.items()}
    assert difference["full"] is not None
    assert difference["nf4"] is not None
    assert difference["full"].value == pytest.approx(1.5 * 3 / (16 * 16 * 3))
    assert difference["nf4"].value == 0
    assert difference["full"].source == "between tiny-torch1.0, other-machine"
    assert [line.partition(":")[0] for line in told] == ["tiny-full", "tiny-nf4"]
    assert "5 pictures" in told[0]


def test_other_recipes_and_crashes_are_left_out(tmp_path: Path) -> None:
    """Only the same call of two whole renderings says anything."""
    other = run_of(tmp_path, "full", "nf4", seed=1)
    full, nf4 = (other.renderings()[f"tiny-{name}"] for name in ("full", "nf4"))
    put(other, replace(full, recipes={**full.recipes, "pair": "0" * 64}))
    put(other, replace(nf4, crash=Crash("exit", "it left", None, ())))
    found = between(fresh(tmp_path), [of_run(run_of(tmp_path, "full", "nf4")), of_run(other)], report=lambda line: None)
    assert set(found["tiny"].releases) == {"full"}
    floor = found["tiny"].releases["full"][SSIM].floor
    assert floor is not None
    assert floor.n == SHOTS[0].pictures


def test_a_shot_that_only_one_run_has_is_left_out(tmp_path: Path) -> None:
    """A run made before the shot was asked for says nothing about it."""
    first, other = run_of(tmp_path, "full"), run_of(tmp_path, "full")
    rendering = first.renderings()["tiny-full"]
    pictures = tuple(picture for picture in rendering.pictures if picture.shot == "fox")
    put(first, replace(rendering, recipes={"fox": SHOTS[0].recipe}, pictures=pictures))
    found = between(fresh(tmp_path), [of_run(first), of_run(other)], report=lambda line: None)
    floor = found["tiny"].releases["full"][SSIM].floor
    assert floor is not None
    assert floor.n == 1


def test_the_source_names_what_differs(tmp_path: Path) -> None:
    """On one machine it is the releases; where nothing differs, that is said."""
    first, second = run_of(tmp_path, "full"), run_of(tmp_path, "full")
    newer = replace(second, facts=replace(second.facts, stack={"diffusers": "0.43.0", "torch": "1.0"}))
    for other, said in ((newer, "between diffusers 0.42.1, diffusers 0.43.0"), (second, "of one machine and stack")):
        found = between(fresh(tmp_path), [of_run(first), of_run(other)], report=lambda line: None)
        floor = found["tiny"].releases["full"][SSIM].floor
        assert floor is not None
        assert said in floor.source


def test_one_run_has_no_drift(tmp_path: Path) -> None:
    """Two runs are the least."""
    with pytest.raises(Refusal, match="two or more"):
        between(fresh(tmp_path), [of_run(run_of(tmp_path, "full"))], report=lambda line: None)


def test_pixels_are_what_was_rendered(tmp_path: Path) -> None:
    """A picture that was changed after the run is not measured, and neither is one of another size."""
    first, other = run_of(tmp_path, "full"), moved(tmp_path, by=3)
    path = other.case_folder("tiny-full") / "fox-0.png"
    write_png(path, np.zeros_like(read_png(path)))
    with pytest.raises(Refusal, match="not the picture that was rendered"):
        between(fresh(tmp_path), [of_run(first), of_run(other)], report=lambda line: None)
    small = building.pixels(0, size=8)
    write_png(path, small)
    rendering = other.renderings()["tiny-full"]
    pictures = [replace(p, sha256=hash_of(small)) if p.file == "fox-0.png" else p for p in rendering.pictures]
    put(other, replace(rendering, pictures=tuple(pictures)))
    with pytest.raises(Refusal, match=r"tiny-full.*'fox'.* 8×8 .*16×16"):
        between(fresh(tmp_path), [of_run(first), of_run(other)], report=lambda line: None)


def test_what_was_accepted_is_a_side(tmp_path: Path) -> None:
    """Before and after an upgrade, from version control; of what only the hash was kept nothing is told."""
    for name, run in (("old", run_of(tmp_path, "full", "nf4")), ("new", moved(tmp_path, by=3, machine=MACHINE.id))):
        accept(run, tmp_path / name)
    old, new = (of_accepted(tmp_path / name / MACHINE.id) for name in ("old", "new"))
    assert {case: found.origin.machine for case, found in new.cases.items()} == {
        ("tiny", "full"): MACHINE.id,
        ("tiny", "nf4"): MACHINE.id,
    }
    band = between(fresh(tmp_path), [new, old], report=lambda line: None)["tiny"].releases["full"][MEAN_DIFFERENCE]
    assert band.ceiling is not None
    assert band.ceiling.value == pytest.approx(1.5 * 3 / (16 * 16 * 3))
    assert (new.machine.device, new.machine.memory) == ("cuda", 0)
    full = old.cases["tiny", "full"]
    hashes = {key: tuple(replace(one, kept=False) for one in all_) for key, all_ in full.facts.pictures.items()}
    thinned = replace(full, facts=replace(full.facts, pictures=hashes))
    hashed = Side(MACHINE, {("tiny", "full"): thinned})
    assert not between(fresh(tmp_path), [new, hashed], report=lambda line: None)
    assert not between(fresh(tmp_path), [hashed, new], report=lambda line: None)

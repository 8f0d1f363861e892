"""Calibrating: from real pictures to limits in a run, which `accept` then takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluxgate.baselines import case_limits
from fluxgate.baselines.store import Store
from fluxgate.calibration import controls
from fluxgate.calibration.calibrate import FOLDER, calibrate
from fluxgate.calibration.floors import Finding, Measured
from fluxgate.calibration.tables import page, section
from fluxgate.calibration.variations import Extent
from fluxgate.cases import Case, matrix
from fluxgate.files import read_plain
from fluxgate.machine import detect, stack
from fluxgate.miniature import drawing, sampling
from fluxgate.pictures import hash_of, write_png
from fluxgate.render.pool.workers import Workers
from fluxgate.rendering import Crash, Picture, Rendering
from fluxgate.runs import run as runs
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import subjects
from tests.baselines.acceptance import accept
from tests.runs import building
from tests.runs.building import CASES
from tests.wording import unsaid

EXTENT = Extent(pictures=8, controls=2)


def painted(case: Case, folder: Path) -> Rendering:
    """What a worker would give, painted by hand: each prompt its scene, each strategy its own unrest."""
    unrest = {"full": 0.0, "nf4": 3.0}.get(case.strategy.name, 12.0)
    found = []
    for shot in case.shots:
        for index in range(shot.pictures):
            rng = np.random.default_rng([shot.seed, index, *shot.prompt_of(index).encode()])
            picture = np.asarray(drawing.draw(sampling.sample(rng), width=48, height=48))
            noise = np.random.default_rng([shot.seed, index]).normal(0, 1, picture.shape) * unrest
            pixels = np.clip(np.rint(picture + noise + (shot.guidance or 0)), 0, 255).astype(np.uint8)
            file = f"{shot.name}-{index}.png"
            write_png(folder / file, pixels)
            found.append(Picture(shot.name, index, 0, file, hash_of(pixels), 48, 48, "RGB"))
    blank = building.rendering("full", folder)
    return replace(blank, strategy=case.strategy.name, pictures=tuple(found), fingerprints=())


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[runs.Run, tuple[Finding, ...], list[str]]:
    """A calibration of the tiny subject, painted."""
    run = runs.create(tmp_path_factory.mktemp("runs"), building.MACHINE, building.STACK, "calibrate")
    told: list[str] = []
    findings = calibrate(run, CASES.values(), EXTENT, render=painted, report=told.append)
    return runs.finish(run), findings, told


def test_only_what_approximates_is_calibrated(
    calibrated: tuple[runs.Run, tuple[Finding, ...], list[str]],
) -> None:
    """`offload` reproduces `full` and needs no limit; `nf4`, its reference and its coarser control are rendered."""
    _, findings, told = calibrated
    assert [finding.strategy for finding in findings] == ["nf4"]
    assert [line.partition(":")[0] for line in told] == ["tiny-nf4", "tiny-full", told[2].partition(":")[0]]
    assert told[2].startswith("tiny-coarse-four-bit")


def test_every_control_was_measured(calibrated: tuple[runs.Run, tuple[Finding, ...], list[str]]) -> None:
    """The table has a row for each control there is, and samples lie beside it to be looked at again."""
    run, (finding,), _ = calibrated
    assert {margin.control for margin in finding.margins} == {*controls.SPOILS, *controls.ASKED, controls.COARSE}
    kept = read_plain(run.folder / FOLDER / "tiny-nf4.json", Measured)
    assert len(kept.legal) == finding.n >= EXTENT.pictures
    assert kept.pictures == 5
    assert {name: len(samples) for name, samples in kept.controls.items()}["grey"] > 0
    lacking = {name for name, samples in kept.controls.items() if not samples}
    assert lacking == {controls.OTHER_GUIDANCE}


def test_noise_is_told_from_other_scenes(calibrated: tuple[runs.Run, tuple[Finding, ...], list[str]]) -> None:
    """What shows another scene, or was never quantized, is rejected; a step fewer of the same scene cannot be."""
    _, (finding,), _ = calibrated
    rejected = {margin.control for margin in finding.margins if margin.rejected}
    assert {*controls.SPOILS, controls.OTHER_SEED, controls.OTHER_PROMPT, controls.SWAPPED, controls.COARSE} <= rejected
    assert controls.STEP_FEWER in finding.limits.unseparated


def test_the_table_tells_limits_and_margins(
    calibrated: tuple[runs.Run, tuple[Finding, ...], list[str]],
) -> None:
    """Machine, stack, each measure and each control are in the page, and what is left through is named."""
    run, (finding,), _ = calibrated
    text = (run.folder / FOLDER / "tiny.md").read_text()
    assert "## tiny on tiny-torch1.0" in text
    assert "diffusers 0.42.1" in text
    assert text == page([finding], heading=text.partition("\n\n###")[0])
    assert all(f"| {margin.control} |" in text for margin in finding.margins)
    assert not unsaid(text, "Not told apart", "one step fewer, other guidance")
    assert "could not be rendered" in section(finding)
    assert "Every control is rejected." in section(replace(finding, limits=replace(finding.limits, unseparated=())))


def test_accepting_the_run_makes_the_limits_hold(
    calibrated: tuple[runs.Run, tuple[Finding, ...], list[str]], tmp_path: Path
) -> None:
    """What was measured is what cases are judged by."""
    run, (finding,), _ = calibrated
    accept(run, tmp_path)
    found = case_limits.for_case(Store(tmp_path), building.MACHINE.id, building.SUBJECT, "nf4")
    assert found.likeness == finding.limits.likeness
    assert found.overall == finding.limits.overall


def test_what_crashes_has_no_limits(tmp_path: Path) -> None:
    """A crash is told, other strategies go on, and no limits are made up."""
    run = runs.create(tmp_path, building.MACHINE, building.STACK, "calibrate")
    crash = Crash("exception", "it broke", None, ())

    def broken(case: Case, folder: Path) -> Rendering:
        return replace(painted(case, folder), crash=crash if case.strategy.name == "nf4" else None)

    told: list[str] = []
    assert calibrate(run, CASES.values(), EXTENT, render=broken, report=told.append) == ()
    assert [line for line in told if not unsaid(line, "tiny-nf4", "no limits", "it broke")]
    assert not (run.folder / "limits").exists()


@pytest.mark.long
def test_a_calibration_of_the_real_pipeline(miniature_folder: Path, tmp_path: Path) -> None:
    """Rendered by workers on a CPU, a strategy and its coarser control are measured against `full`."""
    miniature = subjects()["miniature"]
    picnic = replace(miniature.shot("picnic"), height=64, width=64, steps=2)
    subject = replace(miniature, shots=(picnic,))
    here, installed = replace(detect(), device="cpu"), stack()
    every = {case.strategy.name: case for case in matrix([subject], STRATEGIES, machine=here, stack=installed)}
    cases = (every["full"], every["nf4-linear"])
    if cases[1].unsupported:
        pytest.skip(cases[1].unsupported)
    run = runs.create(tmp_path, here, installed, "calibrate")
    with Workers(takes=1) as workers:
        (finding,) = calibrate(
            run,
            cases,
            Extent(pictures=5, controls=1),
            render=lambda case, folder: workers.render(case, folder, source=miniature_folder, timeout=300),
            report=lambda line: None,
        )
    assert finding.n == 5
    by_name = {margin.control: margin for margin in finding.margins}
    assert by_name[controls.COARSE].n == 1
    assert by_name["grey"].rejected
    # Two steps of 64 pixels scatter so much that no limit rejects this control; that it is what it says can be seen.
    assert (by_name[controls.UNTOUCHED].n, by_name[controls.UNTOUCHED].nearest) == (1, 0.0)

"""Tests of writing down the usual work of runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.calibration.usual_work import main
from fluxgate.files import read_plain, write_plain
from fluxgate.judge.usual_work import SUBJECT, UsualWork
from fluxgate.refusal import USAGE
from fluxgate.rendering import DENOISE, PhaseWork, Work
from fluxgate.runs.run import Run
from fluxgate.subjects.catalogue import subjects
from tests.runs.building import rendering, run_of

ONE, TWO = ((PhaseWork(DENOISE, operators={"aten.mm": number}),) for number in (1, 2))
RECIPE = next(shot.recipe for shot in subjects()[SUBJECT].shots if shot.name == "unsaid")
DECIDING = {"torch": "2.11.0", "diffusers": "0.42.1"}
LIBRARIES = {**DECIDING, "numpy": "2.4.6"}


def run_with(folder: Path, *works: Work, recipe: str = RECIPE) -> Run:
    """A run with a case for each work."""
    run = run_of(folder)
    for number, work in enumerate(works):
        place = run.case_folder(f"tiny-strategy-{number}")
        place.mkdir()
        one = replace(rendering(f"strategy-{number}", place), work=work, recipes={"unsaid": recipe})
        write_plain(place / "rendering.json", replace(one, libraries=LIBRARIES))
    return run


def test_what_cases_did_is_written_down(tmp_path: Path) -> None:
    """Of the smallest shot, and where each call did the same; measuring again replaces it."""
    file = tmp_path / "work.json"
    works = Work("unsaid", 3, (ONE,)), Work("unsaid", 3, (ONE, TWO)), Work("pairs", 3, (ONE,))
    run = run_with(tmp_path / "run", *works)
    for _ in range(2):
        main([str(file), str(run.folder)])
    (known,) = read_plain(file, UsualWork).counted
    assert (known.machine, known.stack, known.recipe) == (run.machine.id, DECIDING, RECIPE)
    assert known.work == {"strategy-0": works[0]}


def test_a_run_of_other_shots_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it did is nobody's usual work."""
    run = run_with(tmp_path / "run", Work("unsaid", 3, (ONE,)), recipe="another")
    assert main([str(tmp_path / "work.json"), str(run.folder)]) == USAGE
    assert "None of these runs" in capsys.readouterr().err

"""Portability: variants of the processor are asked for by environment, and what they did becomes the drift."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluxgate.baselines import case_limits
from fluxgate.baselines.store import Store
from fluxgate.calibration import portability
from fluxgate.calibration.calibrate import FOLDER
from fluxgate.cases import Case
from fluxgate.compare.measures import SSIM
from fluxgate.pictures import hash_of, write_png
from fluxgate.rendering import Crash, Picture, Rendering
from fluxgate.runs import run as runs
from tests.baselines.acceptance import accept
from tests.runs import building
from tests.runs.building import CASES
from tests.wording import unsaid

FULL = CASES["tiny-full"]
ASKED = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")
WIDE = replace(FULL, strategy=replace(FULL.strategy, name="full-float32"))


def rendered(case: Case, folder: Path) -> Rendering:
    """Pictures of `full` that move by two levels where AVX2 is asked for; float32 stands still; no AVX crashes."""
    asked = {name: os.environ.get(name) for name in ASKED}
    moved = case.strategy.name == "full" and "avx2" in str(asked).lower()
    blank, found = building.rendering("full", folder), []
    for shot in case.shots:
        for index in range(shot.pictures):
            pixels = np.full((16, 16, 3), 100, np.uint8) + building.pixels(1, index=index) // 16
            pixels[0, 0] += 2 if moved else 0
            file = f"{shot.name}-{index}.png"
            write_png(folder / file, pixels)
            found.append(Picture(shot.name, index, 0, file, hash_of(pixels), 16, 16, "RGB"))
    crash = Crash("signal", "illegal instruction", None, ()) if asked["ATEN_CPU_CAPABILITY"] == "default" else None
    return replace(blank, pictures=tuple(found), crash=crash)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[runs.Run, tuple[portability.Row, ...], list[str]]:
    run = runs.create(tmp_path_factory.mktemp("runs"), building.MACHINE, building.STACK, "calibrate --portability")
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ASKED:  # whoever runs the tests may have asked for less than the processor has
            patch.delenv(name, raising=False)
        rows = portability.portability(run, (FULL, WIDE), render=rendered, report=told.append)
    return runs.finish(run), rows, told


Measured = tuple[runs.Run, tuple[portability.Row, ...], list[str]]


def test_each_variant_of_each_case_has_its_row(measured: Measured) -> None:
    """All but the one that crashed, which is told."""
    _, rows, told = measured
    assert len(rows) == 2 * (len(portability.VARIANTS) - 2)
    assert {row.strategy for row in rows} == {"full", "full-float32"}
    assert [line for line in told if not unsaid(line, "tiny-full-float32", "no AVX", "illegal instruction")]


def test_rows_tell_what_moved(measured: Measured) -> None:
    """The subject's own precision moved by two levels under AVX2, float32 did not."""
    _, rows, _ = measured
    by = {(row.strategy, row.variant): row for row in rows}
    moved, still = by["full", "AVX2 only"], by["full-float32", "AVX2 only"]
    assert (moved.identical, moved.pictures, moved.worst.max_difference) == (0, 5, 2)
    assert (still.identical, still.pictures, still.worst.max_difference) == (5, 5, 0)
    assert by["full", "4 threads"].identical == 5


def test_the_page_has_a_line_for_each_row(measured: Measured) -> None:
    """The table is written beside the pictures."""
    run, rows, _ = measured
    text = (run.folder / FOLDER / "tiny-portability.md").read_text()
    assert text.count("\n| ") == len(rows) + 1
    assert "| `full` | AVX2 only | 0 of 5 |" in text


def test_the_drift_can_be_accepted(measured: Measured, tmp_path: Path) -> None:
    """What was done to each case becomes its band of drift; the other cases have that of `full`, and more room."""
    run, _, _ = measured
    accept(run, tmp_path)
    drifts = {
        name: case_limits.for_case(Store(tmp_path), building.MACHINE.id, building.SUBJECT, name).drift[SSIM].floor
        for name in ("full", "full-float32", "offload")
    }
    floor, still, other = drifts.values()
    assert floor is not None
    assert still is not None
    assert 0.9 < floor.value < still.value == 1
    assert other is not None
    assert 1 - other.value == pytest.approx(2 * (1 - floor.value))
    assert floor.source == "other instructions and threads"

"""Portability: variants of the processor are asked for by environment, and what they did becomes the drift."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from suite.calibration import portability
from suite.calibration.calibrate import FOLDER
from suite.cases import Case
from suite.pictures import hash_of, write_png
from suite.rendering import Crash, Picture, Rendering
from suite.store import accepting, limits, runs
from tests.store import building
from tests.store.building import CASES, request

FULL = CASES["tiny-full"]


def rendered(case: Case, folder: Path) -> Rendering:
    """Pictures that move by two levels in bfloat16 where AVX2 is asked for; float32 stands still; no AVX crashes."""
    asked = {name: os.environ.get(name) for name in ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")}
    moved = case.subject.dtype == "bfloat16" and "avx2" in str(asked).lower()
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
    rows = portability.portability(run, FULL, render=rendered, report=told.append)
    return runs.finish(run), rows, told


Measured = tuple[runs.Run, tuple[portability.Row, ...], list[str]]


def test_each_variant_has_its_row_in_each_precision(measured: Measured) -> None:
    """All but the one that crashed, which is told."""
    _, rows, told = measured
    assert len(rows) == 2 * (len(portability.VARIANTS) - 2)
    assert {row.dtype for row in rows} == {"bfloat16", "float32"}
    assert "tiny-full: float32, no AVX crashed: illegal instruction" in told


def test_rows_tell_what_moved(measured: Measured) -> None:
    """bfloat16 moved by two levels under AVX2, float32 did not."""
    _, rows, _ = measured
    by = {(row.dtype, row.variant): row for row in rows}
    moved, still = by["bfloat16", "AVX2 only"], by["float32", "AVX2 only"]
    assert (moved.identical, moved.pictures, moved.worst.max_difference) == (0, 5, 2)
    assert (still.identical, still.pictures, still.worst.max_difference) == (5, 5, 0)
    assert by["bfloat16", "4 threads"].identical == 5


def test_the_page_has_a_line_for_each_row(measured: Measured) -> None:
    """The table is written beside the pictures."""
    run, rows, _ = measured
    text = (run.folder / FOLDER / "tiny-portability.md").read_text()
    assert text.count("\n| ") == len(rows) + 1
    assert "| bfloat16 | AVX2 only | 0 of 5 |" in text


def test_the_drift_can_be_accepted(measured: Measured, tmp_path: Path) -> None:
    """What the subject's own precision did becomes its band of drift."""
    run, _, _ = measured
    accepting.accept(run, request(), store=tmp_path, cases=CASES, report=lambda line: None)
    drift = limits.for_case(tmp_path, building.MACHINE.id, building.SUBJECT, "full").drift
    floor = drift[limits.SSIM].floor
    assert floor is not None
    assert 0.9 < floor.value < 1
    assert floor.source == "other instructions and threads"


def test_the_environment_is_put_back() -> None:
    """Variables are set for the workers and for no one else, even after an error."""
    before = dict(os.environ)
    with contextlib.suppress(RuntimeError), portability.surroundings({"ATEN_CPU_CAPABILITY": "default"}):
        assert os.environ["ATEN_CPU_CAPABILITY"] == "default"
        raise RuntimeError
    assert dict(os.environ) == before

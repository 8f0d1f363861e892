"""Tests of the drawing of differences."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from fluxgate.compare.strips import columns, side_by_side
from fluxgate.judge.verdict import FAILED, PROMISE, Verdict
from fluxgate.pictures import read_png, write_png
from fluxgate.report.illustration import illustrate
from tests.runs.building import pixels

VERDICT = Verdict("tiny", "offload", PROMISE, FAILED, "It differs.")


def pictured(run: Path, expected: Path | str = "cases/a.png") -> Verdict:
    rng = np.random.default_rng(0)
    for path in (run / expected, run / "cases/b.png"):
        write_png(path, rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    return replace(
        VERDICT,
        pictures={"expected": str(expected), "actual": "cases/b.png", "difference": "pictures/x-difference.png"},
    )


def test_a_difference_is_drawn_once_and_named(tmp_path: Path) -> None:
    """Expected, actual, FLIP and amplified difference lie in one file of the run."""
    (found,) = illustrate([pictured(tmp_path)], tmp_path)
    assert (
        read_png(tmp_path / found.pictures["difference"]).shape == side_by_side([columns(pixels(0), pixels(1))]).shape
    )
    assert found.pictures["expected"] == "cases/a.png"


def test_what_lies_outside_the_run_is_copied_into_it(tmp_path: Path) -> None:
    """A baseline's picture travels with the run that was held against it."""
    outside = tmp_path / "baselines" / "a.png"
    (found,) = illustrate([pictured(tmp_path / "run", outside)], tmp_path / "run")
    assert found.pictures["expected"] == "pictures/x-expected.png"
    assert np.array_equal(read_png(tmp_path / "run" / "pictures/x-expected.png"), read_png(outside))


def test_a_verdict_without_pictures_is_left_alone(tmp_path: Path) -> None:
    """Nothing is written for it."""
    assert illustrate([VERDICT], tmp_path) == (VERDICT,)
    assert not list(tmp_path.iterdir())


def test_a_picture_that_cannot_be_read_is_not_drawn(tmp_path: Path) -> None:
    """The verdict then names no difference."""
    verdict = pictured(tmp_path)
    (tmp_path / "cases/b.png").write_bytes(b"no PNG")
    (found,) = illustrate([verdict], tmp_path)
    assert set(found.pictures) == {"expected", "actual"}

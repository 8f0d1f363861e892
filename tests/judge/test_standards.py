"""Tests of what is kept: all that a run will be held against is looked at before anything is rendered."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.baselines import limits
from fluxgate.judge import standards as kept
from fluxgate.refusal import Refusal
from tests.baselines.test_limits import file_for, sealed
from tests.runs.building import MACHINE


@pytest.mark.parametrize("place", [MACHINE.id, "portable", "another-gpu"])
def test_damaged_limits_are_refused_wherever_they_come_from(tmp_path: Path, place: str) -> None:
    """The machine's own, the portable ones, and those of a GPU that may lend them; told with their file."""
    path = sealed(tmp_path, file_for(place, 0.9))
    kept.refuse_damaged(tmp_path, machine=MACHINE.id, subjects=["tiny"], no_baseline=True)
    path.write_bytes(path.read_bytes().replace(b"0.9", b"0.8", 1))
    with pytest.raises(Refusal, match=rf"{place}.tiny.{limits.FILE} was damaged, or changed by hand"):
        kept.refuse_damaged(tmp_path, machine=MACHINE.id, subjects=["tiny"], no_baseline=True)


@pytest.mark.parametrize(("place", "subject"), [("cpu-avx2-torch1.0", "tiny"), ("another-gpu", "other")])
def test_limits_that_nobody_will_read_refuse_nothing(tmp_path: Path, place: str, subject: str) -> None:
    """A CPU lends nothing to a GPU, and another subject's limits are not asked for."""
    path = sealed(tmp_path, file_for(place, 0.9))
    path.write_bytes(path.read_bytes().replace(b"0.9", b"0.8", 1))
    asked = "tiny" if subject == "tiny" else "fox"
    kept.refuse_damaged(tmp_path, machine=MACHINE.id, subjects=[asked], no_baseline=True)

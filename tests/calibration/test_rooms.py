"""Tests of measuring rooms: what was seen of a run, and of which device."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.calibration.rooms import main, measured
from fluxgate.files import read_plain, write_plain
from fluxgate.judge.rooms import Measured, Rooms
from fluxgate.refusal import Refusal
from fluxgate.rendering import T5, T5_TOKENS, output_of
from fluxgate.runs.run import Run
from tests.judge.checks.stages import rendered_of, take_of
from tests.runs.building import run_of


def run_with(folder: Path, *, error: str | None = None) -> Run:
    """A run of one case whose embeddings are off by 2%."""
    run = run_of(folder)
    place = run.case_folder("tiny-full")
    take = take_of(place, bent={T5: lambda values: values * 1.02})
    rendering = rendered_of(take, place).rendering
    write_plain(place / "rendering.json", rendering)
    return run


def test_a_room_is_what_was_seen(tmp_path: Path) -> None:
    """Stages that must be exact have none."""
    rooms = {room.stage: room for room in measured([run_with(tmp_path)]).rooms}
    assert rooms[T5].rms.most == pytest.approx(0.02, rel=0.02)
    assert rooms[output_of(1)].rms.most < 0.005
    assert T5_TOKENS not in rooms


def test_measuring_one_device_keeps_what_was_measured_on_others(tmp_path: Path) -> None:
    """And replaces what was known of its own."""
    file, run = tmp_path / "rooms.json", run_with(tmp_path / "run")
    old = tuple(Measured(device, ("old",), {}, "2025-01-01", ()) for device in ("cpu", "cuda"))
    write_plain(file, Rooms(old))
    main([str(file), str(run.folder)])
    groups = {each.device: each.machines for each in read_plain(file, Rooms).measured}
    assert groups == {"cuda": ("old",), "cpu": (run.machine.id,)}


def test_a_run_without_renderings_is_refused(tmp_path: Path) -> None:
    """There is nothing to measure."""
    with pytest.raises(Refusal, match="none"):
        measured([])

"""Tests of the worker's own parts, in this process; that it works as a process is tested with its parent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fluxgate.render.process import worker
from fluxgate.render.process.jobs import CaseJob, PartJob, name_of
from fluxgate.render.watch.counting import STEPS
from fluxgate.rendering import LOAD, Inventory
from tests.render import making


@pytest.mark.parametrize("is_part", [False, True])
def test_a_process_is_capped_before_it_can_allocate(
    is_part: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The meter, which wakes the GPU, comes after the cap; the strategy and its parts come later still."""
    limits: list[int | None] = []

    class Woken(Exception):
        pass

    def wake(device: str) -> None:
        raise Woken

    for name in ("forked_server", "hide_progress_bars", "LibraryWarnings", "settle"):
        monkeypatch.setattr(worker, name, lambda *_: None)
    monkeypatch.setattr(worker, "cap_vram", limits.append)
    monkeypatch.setattr(worker, "Meter", wake)
    whole = replace(job(tmp_path), vram_limit=5)
    part = PartJob(whole.load, {}, LOAD, whole.subject, "cpu", tmp_path, tmp_path, tmp_path, "one", 0, Inventory({}), 5)
    with pytest.raises(Woken):
        worker._do(part if is_part else whole, lambda note: None)
    assert limits == [5]


def test_where_code_is_compiled_every_shot_is_called_for_before_its_takes(tmp_path: Path) -> None:
    """Shortened, and each with its own size: that is what compiling depends on."""
    asked: list[dict[str, Any]] = []
    case = job(tmp_path)
    worker._load_and_compile(lambda: lambda **arguments: asked.append(arguments), case.subject)
    assert [one["prompt"] for one in asked] == [shot.arguments()["prompt"] for shot in case.subject.shots]
    assert {one["num_inference_steps"] for one in asked} == {STEPS}


def job(tmp_path: Path) -> CaseJob:
    subject = making.case(making.full, making.ONE, making.FOUR).subject
    return CaseJob(name_of(making.full), subject, "cpu", tmp_path, tmp_path, tmp_path)


def test_a_system_without_prctl_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of Linux a worker may outlive its parent; it works all the same."""
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace())
    worker._die_with_parent()

"""Tests of the site of a job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.render.process import site
from fluxgate.render.process.jobs import CaseJob, Job, PartJob, name_of
from fluxgate.rendering import LOAD, Inventory
from tests.render import making


def jobs(folder: Path) -> list[Job]:
    """A case and a part of it."""
    subject = making.case(making.full, making.ONE).subject
    whole = CaseJob(name_of(making.full), subject, "cpu", folder, folder, folder, vram_limit=5)
    part = PartJob(whole.load, {}, LOAD, subject, "cpu", folder, folder, folder, "one", 0, Inventory({}), 5)
    return [whole, part]


def test_a_process_is_capped_before_it_can_allocate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The meter, which wakes the GPU, comes after the cap; the strategy and its parts come later still."""
    limits: list[int | None] = []

    class Woken(Exception):
        pass

    def wake(device: str) -> None:
        raise Woken

    monkeypatch.setattr(site, "cap_vram", limits.append)
    monkeypatch.setattr(site, "Meter", wake)
    for job in jobs(tmp_path):
        with pytest.raises(Woken):
            site.site_of(job, lambda note: None)
    assert limits == [5, 5]


def test_weights_are_compared_with_the_files_that_they_come_from(tmp_path: Path) -> None:
    """In whatever process they are loaded."""
    for job in jobs(tmp_path):
        where, probe = site.site_of(replace(job, vram_limit=None), lambda note: None)
        probe.meter.close()
        assert (where.folder, probe.inventory.source) == (tmp_path, tmp_path)


class Pipeline:
    """A pipeline as far as its components are looked at."""

    components: dict[str, object]


def test_what_is_built_within_a_call_is_described_when_it_is_shown(tmp_path: Path) -> None:
    """Its own call may never encode, where the probe would meet it; what is shown while loading is described later."""
    torch = pytest.importorskip("torch")
    (whole, _) = jobs(tmp_path)
    where, probe = site.site_of(replace(whole, vram_limit=None), lambda note: None)
    pipeline = Pipeline()
    pipeline.components = {"transformer": torch.nn.Linear(2, 2)}
    where.watch(pipeline)
    assert not probe.inventory.recorded().components
    probe.begin("one", 0)
    where.watch(pipeline)
    assert list(probe.inventory.recorded().components) == ["transformer"]
    probe.end()
    probe.meter.close()

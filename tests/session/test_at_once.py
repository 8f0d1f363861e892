"""Tests of how many cases share a device where a user leaves that open."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from fluxgate.session.at_once import as_many_as_fit
from fluxgate.subjects.subject import Needs, Subject
from tests.runs.building import MACHINE, SUBJECT

GB = 10**9


@pytest.mark.parametrize(
    ("device", "processors", "memory", "fits"),
    [
        ("cpu", 2, 64, 2),
        ("cpu", 64, 64, 8),
        ("cpu", 8, 7, 3),
        ("cuda", 16, 80, 8),
        ("cuda", 6, 80, 3),
        ("cuda", 1, 8, 1),
    ],
)
def test_as_many_fit_as_have_processors_and_memory(
    monkeypatch: pytest.MonkeyPatch, device: str, processors: int, memory: int, fits: int
) -> None:
    """A case may need twice what its subject says; a GPU's has a second processor."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(processors)))
    machine = replace(MACHINE, device=device, count=1, memory=memory * GB)
    assert as_many_as_fit(machine, [SUBJECT, needing(1)]) == 1
    assert as_many_as_fit(machine, [needing(1)]) == fits
    assert as_many_as_fit(machine, [needing(1), needing(40)]) == 1


def test_several_gpus_share_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one case are not another one's."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)))
    assert as_many_as_fit(replace(MACHINE, device="cuda", count=4, memory=80 * GB), [needing(1)]) == 2


def needing(gigabytes: int) -> Subject:
    return replace(SUBJECT, needs=Needs(vram=gigabytes * GB))

"""Tests of a case's work on a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fluxgate.rendering import DENOISE, PhaseWork, Work
from fluxgate.report.html.work import work_rows
from tests.judge.made import made


def test_each_phase_stands_beside_the_references(tmp_path: Path) -> None:
    """With what it computed, called, moved and waited for."""
    phase = PhaseWork(
        DENOISE,
        {"aten.mm": 1200, "aten.add": 34},
        flops={"aten.mm": 2_000_000_000},
        bytes={"host to device": 3_000_000},
        components={"transformer": 3},
        events={"CpuOffload ran": 3},
    )
    ours = replace(made(tmp_path, "offload").rendering, work=Work("fox", 3, ((phase,),)))
    theirs = replace(ours, work=Work("fox", 3, ((replace(phase, flops={"aten.mm": 1_000_000_000}),),)))
    (row,) = work_rows(ours, theirs)
    assert (row.flops, row.expected, row.operators) == ("2 GFLOP", "1 GFLOP", "1,234")
    assert (row.calls, row.moved, row.events) == ("transformer 3", "3.0 MB host to device", "CpuOffload ran 3")
    assert work_rows(replace(ours, work=None), theirs) == ()

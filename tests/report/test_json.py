"""Tests of the report for programs."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec

from fluxgate.report.json import SCHEMA, Report, as_json, report
from tests.report.made import renderings, verdicts
from tests.runs.building import CASES, MACHINE, STACK


def test_everything_is_in_it_and_can_be_read_back(tmp_path: Path) -> None:
    """Verdicts with evidence, rows, counts, machine and stack survive the way through JSON."""
    found = report(
        verdicts(),
        renderings(tmp_path),
        run="runs/x",
        machine=MACHINE,
        stack=STACK,
        cases=CASES,
        cards={"tiny-full": 24},
        vram_limit=24 * 10**9,
    )
    assert msgspec.json.decode(as_json(found), type=Report) == found
    plain = json.loads(as_json(found))
    assert (plain["schema"], plain["counts"]["failed"], plain["machine"]["id"]) == (SCHEMA, 1, MACHINE.id)
    assert plain["cases"][1]["likeness"] == 0.912
    assert plain["cases"][0]["promise"] == "the reference"
    assert (plain["cases"][0]["card"], plain["cases"][1]["card"], plain["vram_limit"]) == (24, None, 24 * 10**9)


def test_a_number_that_is_not_finite_becomes_null() -> None:
    """JSON has no NaN; strict readers must be able to read the report."""
    odd = [replace(verdicts()[0], numbers={"ssim": float("nan"), "gain": float("inf")})]
    plain = json.loads(as_json(report(odd, {}, run="x", machine=MACHINE, stack=STACK)), parse_constant=lambda c: 1 / 0)
    assert plain["verdicts"][0]["numbers"] == {"ssim": None, "gain": None}

"""Tests of the report for programs."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec

from fluxgate.judge.verdict import BASELINE
from fluxgate.report.json import as_json
from fluxgate.report.report import SCHEMA, CutShort, Report
from tests.report.made import NO_BASELINE, RUN, cases, renderings, report, settings, verdicts
from tests.runs.building import MACHINE


def test_everything_is_in_it_and_can_be_read_back(tmp_path: Path) -> None:
    """The whole report survives the way through JSON."""
    short = replace(RUN, finished=None, cut_short=CutShort(4, 6, ("tiny-a", "tiny-b")))
    given = report(verdicts(), renderings(tmp_path), run=short, cases=cases(full=1.0), settings=(settings(),))
    assert msgspec.json.decode(as_json(given), type=Report) == given


def test_the_fields_are_those_of_the_report(tmp_path: Path) -> None:
    """Machine, counts, cases and verdicts as ever; the run's facts, what was gated, and what settings changed."""
    limited = replace(RUN, vram_limit=24 * 10**9, cut_short=CutShort(4, 6))
    given = report(
        verdicts(),
        renderings(tmp_path),
        run=limited,
        cases=cases(),
        cards={"tiny-full": 24},
        settings=(settings(),),
    )
    plain = json.loads(as_json(given))
    assert (plain["schema"], plain["counts"]["failed"], plain["machine"]["id"]) == (SCHEMA, 1, MACHINE.id)
    full, tiling, *_ = plain["cases"]
    assert (full["promise"], full["card"], tiling["card"], tiling["likeness"]) == ("the reference", 24, None, 0.912)
    assert plain["run"]["vram_limit"] == 24 * 10**9
    assert (plain["run"]["cut_short"]["rendered"], plain["run"]["cut_short"]["asked"]) == (4, 6)
    assert plain["headline"].startswith("This run was cut short")
    assert plain["gated"]["cases"] == {"gated": 4, "total": 6}
    (check,) = plain["gated"]["unanswered_checks"]
    assert (check["checks"], check["status"], check["reason"]) == ([BASELINE], "no data", NO_BASELINE)
    assert [one["setting"] for one in plain["settings"][0]["changes"]] == ["half", "short"]


def test_a_number_that_is_not_finite_becomes_null() -> None:
    """JSON has no NaN; strict readers must be able to read the report."""
    odd = [replace(verdicts()[0], numbers={"ssim": float("nan"), "gain": float("inf")})]
    plain = json.loads(as_json(report(odd)), parse_constant=lambda c: 1 / 0)
    assert plain["verdicts"][0]["numbers"] == {"ssim": None, "gain": None}

"""Tests of the published JSON Schema: reports keep to it, and what is none does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.report.gate_folder import read_gate_result
from fluxgate.report.gate_report import report_on_gate
from fluxgate.report.json import as_json
from fluxgate.report.json_schema import gate_schema, json_schema
from fluxgate.report.report import Report, report_on, verdicts_of
from fluxgate.runs.plan import cases_of
from fluxgate.runs.run import open_run
from tests.report import gates
from tests.report.html import made
from tests.report.made import RUN, cases, renderings, report, settings, verdicts

PUBLISHED = Path(__file__).parents[2] / "docs/results.schema.json"


@pytest.fixture(scope="module")
def validate() -> Callable[[Any], Any]:
    """Holds a report to the published schema."""
    fastjsonschema = pytest.importorskip("fastjsonschema", reason="pip install fastjsonschema")
    checked: Callable[[Any], Any] = fastjsonschema.compile(json.loads(PUBLISHED.read_text()))
    return checked


def plain(told: Report) -> Any:
    return json.loads(as_json(told))


def test_the_published_schema_is_that_of_the_report() -> None:
    """python -m docs.results_schema writes it."""
    assert json.loads(PUBLISHED.read_text()) == json.loads(json.dumps(json_schema()))


def test_a_gates_result_keeps_to_its_own(tmp_path: Path) -> None:
    """The published one, which python -m docs.results_schema writes; another answer is none."""
    fastjsonschema = pytest.importorskip("fastjsonschema", reason="pip install fastjsonschema")
    published = json.loads(PUBLISHED.with_name("gate.schema.json").read_text())
    assert published == json.loads(json.dumps(gate_schema()))
    validate_gate = fastjsonschema.compile(published)
    told = json.loads((gates.gate(tmp_path) / "gate.json").read_text())
    validate_gate(told)
    with pytest.raises(fastjsonschema.JsonSchemaException):
        validate_gate({**told, "answer": "probably"})


def test_reports_on_runs_keep_to_it(validate: Callable[[Any], Any], tmp_path: Path) -> None:
    """One judged from a folder, one with everything in it, one that rendered nothing, and numbers that are none."""
    run = open_run(made.judged_run(tmp_path).folder)
    answers = verdicts_of(run)
    assert answers is not None
    validate(plain(report_on(run, answers, cases_of(run))))
    every = report(verdicts(), renderings(tmp_path), cases=cases(full=1.0), settings=(settings(),))
    validate(plain(every))
    validate(plain(report(verdicts(), run=None)))
    validate(plain(report([replace(verdicts()[0], numbers={"ssim": float("nan")})], run=replace(RUN, finished=None))))


def test_reports_on_gates_keep_to_it(validate: Callable[[Any], Any], tmp_path: Path) -> None:
    """With what the gate found within it."""
    folder = gates.gate(tmp_path)
    told = plain(report_on_gate(read_gate_result(folder), folder))
    validate(told)
    assert told["gate"]["result"]["culprit"]["pin"] == ["transformers==4.49.0"]


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.pop("verdicts"),
        lambda told: told.update(schema=1),
        lambda told: told["verdicts"][0].update(status="maybe"),
        lambda told: told["cases"][0].update(seconds="3 s"),
        lambda told: told["gated"]["cases"].pop("total"),
    ],
    ids=["missing", "schema", "status", "type", "total"],
)
def test_what_is_no_report_is_refused(change: Callable[[Any], Any], validate: Callable[[Any], Any]) -> None:
    """A field that is missing, another schema, another word, another type."""
    fastjsonschema = pytest.importorskip("fastjsonschema")
    told = plain(report(verdicts()))
    change(told)
    with pytest.raises(fastjsonschema.JsonSchemaException):
        validate(told)

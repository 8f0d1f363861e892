"""Tests of reports on damaged runs: whatever a file holds, it is reported or refused in a sentence."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxgate.refusal import Refusal
from fluxgate.report.json import as_json
from fluxgate.report.markdown import markdown
from fluxgate.report.report import report_on, verdicts_of
from fluxgate.report.terminal import terminal
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import cases_of, plan_of
from fluxgate.runs.run import CASES, FACTS, RENDERING, VERDICTS, open_run
from tests.report.made import verdicts
from tests.runs.building import CASES as MATRIX
from tests.runs.building import run_of

FILES = (FACTS, PLAN, VERDICTS, f"{CASES}/tiny-full/{RENDERING}")
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["\0", "../..", "cuda", "passed", "2026-03-01", [], {}, [[]], {"a": 1}]),
)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two cases, with its plan and verdicts."""
    run = run_of(tmp_path_factory.mktemp("runs"), "full", "offload")
    run.write_json(PLAN, plan_of(MATRIX.values(), asked=set(MATRIX)))
    run.write_json(VERDICTS, verdicts())
    return run.folder


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value within a JSON document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(far for key, part in inside for far in places(part, (*place, key)))]


def replaced(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    """The document with another value in one place."""
    if not place:
        return odd
    key, *rest = place
    parts = dict(value) if isinstance(value, dict) else list(value)
    parts[key] = replaced(parts[key], tuple(rest), odd)
    return parts


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_reported_or_refused(judged: Path, data: st.DataObject) -> None:
    """In every form; a traceback tells nobody which file to look at."""
    path = judged / data.draw(st.sampled_from(FILES))
    whole = path.read_bytes()
    document = json.loads(whole)
    try:
        path.write_text(json.dumps(replaced(document, data.draw(st.sampled_from(places(document))), data.draw(ODD))))
        with suppress(Refusal):
            run = open_run(judged)
            report = report_on(run, verdicts_of(run) or (), cases_of(run))
            assert terminal(report) and markdown(report) and as_json(report)  # noqa: PT018
    finally:
        path.write_bytes(whole)


def test_a_status_that_does_not_exist_is_refused(judged: Path) -> None:
    """It would count as neither passed nor failed."""
    run = open_run(judged)
    whole = (judged / VERDICTS).read_text()
    try:
        (judged / VERDICTS).write_text(whole.replace('"passed"', '"pssed"', 1))
        with pytest.raises(Refusal, match=r"verdicts\.json has 'pssed', which is none of passed, failed"):
            verdicts_of(run)
    finally:
        (judged / VERDICTS).write_text(whole)


def test_a_run_that_was_not_judged_has_no_verdicts(tmp_path: Path) -> None:
    """Which is not the same as none that could be answered."""
    assert verdicts_of(run_of(tmp_path, "full")) is None

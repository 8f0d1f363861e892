"""Tests of rendering one case in this process; whole cases are tested with their parent."""

from __future__ import annotations

from typing import Any

import pytest

from fluxgate.refusal import Refusal
from fluxgate.render.measure.laps import Laps
from fluxgate.render.measure.meter import Meter
from fluxgate.render.process import case_job
from fluxgate.render.process.case_job import load_and_compile
from fluxgate.render.watch.counting import STEPS
from tests.render import making


def test_where_code_is_compiled_every_shot_is_called_for_before_its_takes() -> None:
    """Shortened, and each with its own size: that is what compiling depends on."""
    asked: list[dict[str, Any]] = []
    subject = making.case(making.full, making.ONE, making.FOUR).subject
    load_and_compile(lambda: lambda **arguments: asked.append(arguments), subject)
    assert [one["prompt"] for one in asked] == [shot.arguments()["prompt"] for shot in subject.shots]
    assert {one["num_inference_steps"] for one in asked} == {STEPS}


@pytest.mark.parametrize(("given", "words"), [(None, "returned nothing"), ("a pipeline", "returned a str")])
def test_a_strategy_that_returns_no_pipeline_is_told(given: object, words: str) -> None:
    """Before anything looks into it."""
    meter = Meter("cpu")
    try:
        with pytest.raises(Refusal, match=words):
            case_job._load(lambda: given, meter, Laps(), lambda note: None)
    finally:
        meter.close()

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


def test_what_cannot_be_shortened_is_compiled_as_it_is() -> None:
    """As a call that begins with a picture, of whose few steps a strength leaves none."""
    asked: list[int] = []

    def pipeline(**arguments: Any) -> None:
        if arguments["num_inference_steps"] == STEPS:
            raise ValueError("the number of steps is 0")
        asked.append(arguments["num_inference_steps"])

    load_and_compile(lambda: pipeline, making.case(making.full, making.ONE).subject)
    assert asked == [making.ONE.steps]


@pytest.mark.parametrize(("given", "words"), [(None, "returned nothing"), ("a pipeline", "returned a str")])
def test_a_strategy_that_returns_no_pipeline_is_told(given: object, words: str) -> None:
    """Before anything looks into it."""
    meter = Meter("cpu")
    try:
        with pytest.raises(Refusal, match=words):
            case_job._load(lambda: given, meter, Laps(), lambda note: None)
    finally:
        meter.close()

"""Tests of rendering one case in this process; whole cases are tested with their parent."""

from __future__ import annotations

from typing import Any

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

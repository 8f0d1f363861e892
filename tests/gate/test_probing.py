"""Tests of one environment between incumbent and candidate: the incumbent itself is rendered once more."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fluxgate.gate.culprit.outcomes import BAD, GOOD, trial
from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.probing import Probing
from fluxgate.gate.settings import Settings
from fluxgate.gate.sides import Stack
from fluxgate.locks import silent
from tests.runs.building import put, rendering


@pytest.mark.parametrize(("seed", "outcome"), [(0, GOOD), (1, BAD)])
def test_the_incumbent_is_held_to_what_it_gave_before(
    tiny_subject: str, tmp_path: Path, seed: int, outcome: object
) -> None:
    """Nothing is built for it, and it is not compared with one and the same rendering: that would always pass."""
    incumbent = Built(Path(sys.executable), tmp_path / "0123456789abcdef", Pins({}), None, 1.0, False)
    settings = Settings((tiny_subject,), runs=tmp_path / "runs")
    stack = Stack(incumbent, settings=settings, report=silent, name="incumbent")
    for attempt, drawn in ((1, 0), (2, seed)):
        run = stack.run_of(attempt)
        put(run, rendering("full", run.case_folder("tiny-full"), seed=drawn))
    probing = Probing(incumbent, settings, ["tiny-full"], installer=Pip())
    assert probing(trial(())).outcome is outcome

"""Every case's work, the same, and its seconds: as fast as before, and given to pytest-benchmark as measured."""

from __future__ import annotations

import pytest

from fluxgate.judge.verdict import SPEED, WORK, Verdict
from fluxgate.plugin.cases import StepSeconds
from fluxgate.plugin.verdicts import enforce


@pytest.mark.fluxgate_check(WORK)
def test_does_the_same_work(verdict: Verdict) -> None:
    enforce(verdict)


@pytest.mark.fluxgate_check(SPEED)
def test_is_as_fast_as_before(verdict: Verdict) -> None:
    enforce(verdict)


def test_seconds_of_denoising_steps(step_seconds: StepSeconds) -> None:
    step_seconds.replay()

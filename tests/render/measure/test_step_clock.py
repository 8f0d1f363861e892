"""Tests of the clock of steps."""

from __future__ import annotations

from fluxgate.render.measure.step_clock import StepClock


def test_what_watching_cost_is_left_out() -> None:
    """Seconds that the probe took for itself are not the step's."""
    clock = StepClock(None)
    clock.end()  # a step that never began is none
    clock.begin()
    clock.leave_out(5.0)
    clock.end()
    assert -5.0 <= clock.seconds()[0] < -4.0
    assert len(clock.seconds()) == 1

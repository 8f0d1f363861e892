"""Tests of what is called where a pipeline cannot be called for as few steps as its work is counted in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fluxgate.render.measure.meter import Meter
from fluxgate.render.watch.counting import CALLS, STEPS
from fluxgate.render.watch.probe import Probe
from fluxgate.render.watch.shortening import count_work_of_one
from fluxgate.rendering import Work
from fluxgate.subjects.subject import Shot, Subject

pytest.importorskip("torch")

SHOT = Shot("one", ("a fox",), seed=1, height=64, width=64, steps=10)
LARGER = Shot("large", ("a fox",), seed=1, height=128, width=64, steps=9)


@pytest.fixture
def counted() -> Iterator[Callable[[tuple[int, ...]], tuple[Work, Shot, list[int]]]]:
    """The work of a subject whose pipeline takes these numbers of steps, the shot, and the steps of its calls."""
    subject, meter, calls = Subject("s", "s", "folder:.", (LARGER, SHOT)), Meter("cpu"), list[int]()

    def count(takes: tuple[int, ...]) -> tuple[Work, Shot, list[int]]:
        def call(shot: Shot) -> None:
            if shot.steps not in takes:
                raise ValueError(f"the number of steps cannot be {shot.steps}")
            calls.append(shot.steps or 0)

        probe = Probe(subject, meter=meter, announce=lambda phase: None)
        return *count_work_of_one(call, subject, probe, after_each=lambda: None), calls

    yield count
    meter.close()


@pytest.mark.parametrize(("takes", "steps"), [((3, 10), STEPS), ((10,), 10)])
def test_a_call_is_as_short_as_it_can_be(
    takes: tuple[int, ...], steps: int, counted: Callable[[tuple[int, ...]], tuple[Work, Shot, list[int]]]
) -> None:
    """Of the smallest shot a few steps, else those that it asks for."""
    work, shot, calls = counted(takes)
    assert (work.unavailable, work.shot, work.steps, shot.steps) == (None, "one", steps, steps)
    assert calls == [steps] * CALLS


def test_a_call_that_always_fails_is_a_reason(
    counted: Callable[[tuple[int, ...]], tuple[Work, Shot, list[int]]],
) -> None:
    """And no crash."""
    work, _, calls = counted(())
    assert (calls, "cannot be 10" in str(work.unavailable)) == ([], True)

"""Tests of the pace: what of two runs on one machine can be compared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.compare.pace import pace, processor_share, quickest_step_paces, step_paces
from fluxgate.rendering import Crash, Duration, Rendering
from tests.runs.building import rendering


def took(name: str, folder: Path, **changes: Any) -> Rendering:
    """A rendering of nine seconds of denoising."""
    durations = (Duration("load", 0.2), Duration("denoise", 9.0, "fox", 0))
    return replace(rendering(name, folder), durations=durations, **changes)


def worked(seconds: float) -> tuple[Duration, ...]:
    return (Duration("load", 9.0, processor=0.2), Duration("denoise", 9.0, "fox", 0, processor=seconds))


def test_on_a_cpu_the_pace_is_a_multiple_of_the_references(tmp_path: Path) -> None:
    """Of what the processor worked, which other work on the machine hardly changes; what was short is left out."""
    one, other = (took(name, tmp_path / name, device="cpu") for name in ("offload", "full"))
    assert pace(one, other) == {}  # nobody noted what the processor worked
    one, other = (replace(it, durations=worked(seconds)) for it, seconds in ((one, 6.0), (other, 4.0)))
    assert pace(one, other) == {"denoise": pytest.approx(1.5)}
    assert pace(one, None) == {}
    assert pace(one, replace(other, crash=Crash("exit", "It is gone.", None, ()))) == {}
    assert pace(replace(one, device="cuda"), None) == {"load": 9.0, "denoise": 9.0}


@pytest.mark.parametrize(("seconds", "phases"), [(0.99, []), (1.0, ["denoise"])])
def test_a_multiple_of_a_short_phase_says_nothing(tmp_path: Path, seconds: float, phases: list[str]) -> None:
    """Of less than a second, a hundredth more or less is a share."""
    one, other = (took(name, tmp_path / name, device="cpu") for name in ("offload", "full"))
    found = pace(replace(one, durations=worked(9.0)), replace(other, durations=worked(seconds)))
    assert list(found) == phases


def stepped(rendering: Rendering, *seconds: float, shot: str = "fox", take: int = 0) -> Rendering:
    """One more take of so many steps, by the clock ten times as long as the processor worked."""
    took = Duration("denoise", 9.0, shot, take, steps=tuple(10 * one for one in seconds), steps_processor=seconds)
    return replace(rendering, durations=(*rendering.durations, took))


def test_a_steps_pace_is_a_multiple_of_the_references_middle_step(tmp_path: Path) -> None:
    """Once for each take; a slow first step says nothing, and neither does a shot that only one has."""
    one, other = (replace(rendering(name, tmp_path / name), durations=()) for name in ("offload", "full"))
    ours = stepped(stepped(stepped(one, 9.0, 4.0, 4.0), 5.0, take=1), 1.0, shot="pair")
    theirs = stepped(stepped(other, 8.0, 2.0, 2.0), 2.0, take=1)
    for device in ("cpu", "cuda"):
        found = step_paces(replace(ours, device=device), replace(theirs, device=device))
        assert found == {"fox": (2.0, 2.5)}


def test_the_quickest_take_is_set_against_the_references_quickest(tmp_path: Path) -> None:
    """By the middle of its steps; nothing where the reference crashed."""
    one, other = (replace(rendering(name, tmp_path / name), durations=()) for name in ("offload", "full"))
    ours = stepped(stepped(stepped(one, 1.0, 4.0, 4.0), 6.0, take=1), 1.0, shot="pair")
    theirs = stepped(stepped(other, 8.0, 5.0, 5.0), 2.0, take=1)
    assert quickest_step_paces(replace(ours, device="cuda"), replace(theirs, device="cuda")) == {"fox": 2.0}
    assert quickest_step_paces(ours, replace(theirs, crash=Crash("exception", "x", None, ()))) == {}


@pytest.mark.parametrize(("device", "paces"), [("cuda", {"fox beside fixed work": 2.0}), ("cpu", {})])
def test_the_quickest_take_beside_fixed_work_is_a_gpus(tmp_path: Path, device: str, paces: dict[str, float]) -> None:
    """On a CPU a take alone says nothing."""
    one = replace(rendering("full", tmp_path), durations=(), device=device)
    for take, seconds in enumerate((3.0, 1.0, 2.0)):
        one = stepped(one, seconds / 10, take=take)
    takes = tuple(replace(took, fixed_work=FIXED, waited=0.0) for took in one.durations)
    assert quickest_step_paces(replace(one, durations=takes), None) == paces


def test_a_reference_that_crashed_gives_no_pace(tmp_path: Path) -> None:
    """Nothing stands beside the step."""
    one = stepped(replace(rendering("full", tmp_path), durations=()), 2.0)
    assert step_paces(one, replace(one, crash=Crash("signal", "gone", None, ()))) == {}


@pytest.mark.parametrize("whose", ["the case's", "its reference's"])
def test_what_shared_its_device_has_no_pace(tmp_path: Path, whose: str) -> None:
    """Whoever of the two did: neither seconds nor multiples of them say anything."""
    one, other = (replace(rendering(name, tmp_path / name), device="cuda") for name in ("offload", "full"))
    ours, theirs = stepped(one, 2.0), stepped(other, 1.0)
    assert all((step_paces(ours, theirs), quickest_step_paces(ours, theirs), pace(ours, theirs)))
    if whose == "the case's":
        ours = replace(ours, at_once=2)
    else:
        theirs = replace(theirs, at_once=2)
    assert (step_paces(ours, theirs), quickest_step_paces(ours, theirs), pace(ours, theirs)) == ({}, {}, {})


def alone(tmp_path: Path, device: str, **changes: Any) -> dict[str, tuple[float, ...]]:
    """The paces of what has no reference: steps of two seconds, for each of which the processor worked for one."""
    take = Duration("denoise", 10.0, "fox", 0, steps=(9.0, 2.0, 2.0), steps_processor=(9.0, 1.0, 1.0))
    one = replace(rendering("full", tmp_path), device=device, durations=(replace(take, **changes),))
    return step_paces(one, None)


FIXED = ((0.4, 0.25), (0.6, 0.25))  # by the clock, and worked


def test_without_a_reference_a_cpus_step_is_set_against_fixed_work(tmp_path: Path) -> None:
    """By what was worked, whatever others did; by the clock too, where they did nothing."""
    assert alone(tmp_path, "cpu") == {}
    assert alone(tmp_path, "cpu", fixed_work=((0.0, 0.0),)) == {}
    assert alone(tmp_path, "cpu", fixed_work=FIXED) == {"fox beside fixed work": (4.0,)}
    assert alone(tmp_path, "cpu", fixed_work=FIXED, delayed=1.1) == {"fox beside fixed work": (4.0,)}
    quiet = alone(tmp_path, "cpu", fixed_work=FIXED, delayed=1.0)
    assert quiet == {"fox beside fixed work": (4.0,), "fox by the clock": (8.0,)}


def test_without_a_reference_a_gpus_step_says_whose_seconds_they_are(tmp_path: Path) -> None:
    """Its own, if it was waited for; else they are Python's, as a multiple of what Python takes for fixed work."""
    assert alone(tmp_path, "cuda", fixed_work=FIXED, waited=0.1) == {"fox beside fixed work": (4.0,)}
    assert alone(tmp_path, "cuda", fixed_work=FIXED, waited=1.1) == {"fox": (2.0,)}
    assert alone(tmp_path, "cuda", waited=0.1) == {}


def test_a_gpus_step_is_told_by_the_gpus_clock_and_a_cpus_by_what_was_worked(tmp_path: Path) -> None:
    """The two may differ by as much as others had the processor."""
    one, other = (replace(rendering(name, tmp_path / name), durations=()) for name in ("offload", "full"))
    clock = Duration("denoise", 9.0, "fox", 0, steps=(3.0, 3.0), steps_processor=(2.0, 2.0))
    ours = replace(one, durations=(clock,))
    theirs = replace(other, durations=(replace(clock, steps=(1.0, 1.0), steps_processor=(1.0, 1.0)),))
    assert step_paces(replace(ours, device="cuda"), replace(theirs, device="cuda")) == {"fox": (3.0,)}
    assert step_paces(replace(ours, device="cpu"), replace(theirs, device="cpu")) == {"fox": (2.0,)}


@pytest.mark.parametrize("fixed", [((0.0, 0.25),), ((0.5, 0.0),)])
def test_a_clock_too_coarse_for_fixed_work_gives_no_pace(tmp_path: Path, fixed: Any) -> None:
    """By the clock, or by what was worked."""
    assert alone(tmp_path, "cpu", fixed_work=fixed) == {}


def test_the_share_of_the_processor_is_that_of_takes_in_which_others_had_it(tmp_path: Path) -> None:
    """The middle one; a take that was left alone has slept, and one without steps says nothing."""
    take = Duration("denoise", 10.0, "fox", 0, steps=(0.5, 0.5), steps_processor=(0.2, 0.2), delayed=5.0)
    quiet, none = replace(take, steps_processor=(0.0, 0.1), delayed=0.0), replace(take, steps=(), steps_processor=())
    assert processor_share(replace(rendering("full", tmp_path), durations=(quiet, none, take))) == pytest.approx(0.4)
    assert processor_share(replace(rendering("full", tmp_path / "none"), durations=(quiet, none))) is None

"""Tests of the pace: what of two runs on one machine can be compared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.compare.pace import pace, step_paces
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


def test_the_reference_of_all_has_its_own_seconds_on_a_gpu_only(tmp_path: Path) -> None:
    """On a CPU other programs stretch them, and nothing stands beside it."""
    one = stepped(replace(rendering("full", tmp_path), durations=()), 2.0)
    assert step_paces(replace(one, device="cuda"), None) == {"fox": (20.0,)}
    assert step_paces(replace(one, device="cpu"), None) == {}
    assert step_paces(one, replace(one, crash=Crash("signal", "gone", None, ()))) == {}

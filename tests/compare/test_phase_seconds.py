"""Tests of how long encoding and decoding take beside what was accepted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.compare.phase_seconds import LONG_ENOUGH, PhaseTimes, phase_seconds, phase_times
from fluxgate.rendering import DECODE, DENOISE, ENCODE, LOAD, Duration
from tests.judge.made import made


def test_each_phase_of_a_shot_has_its_own_seconds_in_each_take(tmp_path: Path) -> None:
    """The GPU's, or what a CPU's processor worked; loading has no shot."""
    takes = tuple(
        Duration(phase, 9.0, "fox", take, processor=1.0 + take, gpu=0.5)
        for phase in (ENCODE, DENOISE, DECODE)
        for take in (0, 1)
    )
    one = replace(made(tmp_path).rendering, durations=(Duration(LOAD, 9.0, processor=9.0), *takes))
    on_cpu, on_gpu = (phase_seconds(replace(one, device=device)) for device in ("cpu", "cuda"))
    clock = {f"{phase} of fox by the clock": (9.0, 9.0) for phase in (ENCODE, DENOISE, DECODE)}
    assert on_cpu == {f"{phase} of fox": (1.0, 2.0) for phase in (ENCODE, DENOISE, DECODE)} | clock
    assert on_gpu == {f"{phase} of fox": (0.5, 0.5) for phase in (ENCODE, DENOISE, DECODE)} | clock
    assert phase_seconds(replace(one, at_once=2)) == {}


def seconds(
    decode: float, denoise: float = 4.0, *, clock: float | None = None, shot: str = "fox"
) -> dict[str, tuple[float, ...]]:
    return {
        f"{DECODE} of {shot}": (decode,),
        f"{DECODE} of {shot} by the clock": (clock or decode,),
        f"{DENOISE} of {shot}": (denoise,),
    }


@pytest.mark.parametrize(
    ("decode", "denoise", "times"),
    [
        (1.0, 4.0, 1.0),
        (3.0, 4.0, 3.0),
        (3.0, 12.0, 1.0),  # a machine that is three times as slow
        (1.0, 1.0, 1.0),  # steps that are four times as quick
        (3.0, 1.0, 3.0),
    ],
)
def test_a_phase_counts_by_itself_and_beside_denoising(decode: float, denoise: float, times: float) -> None:
    """The less of both."""
    assert phase_times(seconds(1.0), seconds(decode, denoise)) == (PhaseTimes(DECODE, times, times),)


def test_more_threads_are_no_slower_phase() -> None:
    """They work longer together, waiting for each other, and are done sooner."""
    assert phase_times(seconds(1.0), seconds(9.0, clock=0.5)) == (PhaseTimes(DECODE, 0.5, 0.5),)


def test_the_middle_of_all_shots_counts_and_the_least_is_told() -> None:
    """What only one side has timed says nothing."""
    before = {**seconds(1.0), **seconds(1.0, shot="cat"), **seconds(1.0, shot="sky"), **seconds(1.0, shot="old")}
    now = {**seconds(3.0), **seconds(2.0, shot="cat"), **seconds(1.5, shot="sky"), **seconds(9.0, shot="new")}
    assert phase_times(before, now) == (PhaseTimes(DECODE, 2.0, 1.5),)


def test_of_what_takes_no_time_nothing_is_said() -> None:
    """A few milliseconds are a matter of luck; nor without denoising."""
    assert phase_times(seconds(LONG_ENOUGH / 2), seconds(9.0)) == ()
    assert phase_times({f"{DECODE} of fox": (1.0,)}, {f"{DECODE} of fox": (9.0,)}) == ()

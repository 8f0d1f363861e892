"""Tests of comparing work: what is told first, what holds across releases, and what is not compared."""

from __future__ import annotations

import pytest

from fluxgate.compare.work import changes_between, flops, held_changes, work_changes
from fluxgate.rendering import DECODE, DENOISE, PhaseWork, Work

WHOLE = PhaseWork(DENOISE, {"aten.mm": 9, "aten.add": 3}, flops={"aten.mm": 900}, modules={"Block": 6})


def work(*phases: PhaseWork, steps: int = 3) -> Work:
    return Work("fox", steps, (phases,), count=2)


def test_the_same_work_has_no_change() -> None:
    """Every counter is held."""
    assert work_changes(work(WHOLE), work(WHOLE)) == ()


def test_a_module_is_told_before_its_operators() -> None:
    """Six times as many products are one block that runs twice."""
    twice = PhaseWork(DENOISE, {"aten.mm": 18, "aten.add": 6}, flops={"aten.mm": 1800}, modules={"Block": 12})
    first, *others = work_changes(work(WHOLE), work(twice))
    assert (first.section, first.what, first.before, first.after, len(others)) == ("modules", "Block", 6, 12, 3)
    assert first.sentence == "denoise calls Block 12 times instead of 6"


def test_what_came_and_what_went_are_told_so() -> None:
    """An operator that was not there is no number of times more."""
    came, went = changes_between((PhaseWork(DENOISE, {"a": 2}),), (PhaseWork(DENOISE, {"b": 1}),))
    assert {came.sentence, went.sentence} == {
        "denoise no longer calls a, which it did 2 times",
        "denoise calls b once, which it did not",
    }


def test_a_phase_that_only_one_side_has_is_a_change() -> None:
    """Nothing is left out for want of a partner."""
    (change,) = changes_between((), (PhaseWork(DECODE, {"aten.mm": 1}),))
    assert (change.phase, change.before, change.after) == (DECODE, 0, 1)


@pytest.mark.parametrize("other", [work(WHOLE, steps=4), Work("cat", 3, ((WHOLE,),)), Work("fox", 3, ()), None])
def test_another_call_is_not_compared(other: Work | None) -> None:
    """Another shot, other steps, or nothing counted."""
    twice = PhaseWork(DENOISE, {"aten.mm": 18})
    assert work_changes(work(twice), other) == ()
    assert held_changes(work(twice), other) == ()


@pytest.mark.parametrize("number, held", [(900, True), (909, True), (910, False), (891, True), (890, False)])
def test_operations_hold_across_releases_within_a_hundredth(number: int, held: bool) -> None:
    """However they are dispatched."""
    other = work(PhaseWork(DENOISE, {"aten.addmm": 9}, flops={"aten.addmm": number}))
    assert (held_changes(work(WHOLE), other) == ()) is held


@pytest.mark.parametrize("size, held", [(1 << 20, True), ((1 << 20) + 1, False)])
def test_a_megabyte_more_to_the_device_is_held(size: int, held: bool) -> None:
    """Less than that comes and goes with prompts and noise levels."""
    other = work(PhaseWork(DENOISE, bytes={"host to device": size}, flops={"aten.mm": 900}))
    assert (held_changes(work(WHOLE), other) == ()) is held


@pytest.mark.parametrize(
    "number, words", [(0, "0 FLOP"), (17_420_000_000, "17.42 GFLOP"), (3e15, "3 PFLOP"), (2_500_000, "2.5 MFLOP")]
)
def test_operations_in_words(number: float, words: str) -> None:
    """Four digits say enough."""
    assert flops(number) == words

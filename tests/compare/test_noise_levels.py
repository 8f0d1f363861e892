"""Tests of the comparison of noise levels."""

import pytest

from fluxgate.compare.noise_levels import NEAR, ScheduleMismatch, schedule_mismatches
from tests.wording import unsaid

LEVELS = {"fox": (1.0, 0.75, 0.5, 0.25, 0.0)}


def test_the_same_levels_are_no_mismatch() -> None:
    """Nor are those of a shot that only one side knows."""
    assert schedule_mismatches(LEVELS, LEVELS) == ()
    assert schedule_mismatches(LEVELS, {"cat": (1.0, 0.0)}) == ()
    assert schedule_mismatches({}, LEVELS) == ()


def test_every_shot_that_went_another_way_is_a_mismatch() -> None:
    """With the levels of both sides."""
    found = schedule_mismatches({**LEVELS, "cat": (1.0,)}, {"fox": (1.0, 0.0), "cat": (1.0,)})
    assert found == (ScheduleMismatch("fox", LEVELS["fox"], (1.0, 0.0)),)


@pytest.mark.parametrize("levels", [LEVELS["fox"][:-1], (*LEVELS["fox"], 0.0), ()], ids=["fewer", "more", "none"])
def test_levels_that_end_elsewhere_are_a_mismatch(levels: tuple[float, ...]) -> None:
    """Though they are the same as far as both go."""
    assert schedule_mismatches(LEVELS, {"fox": levels}) == (ScheduleMismatch("fox", LEVELS["fox"], levels),)


@pytest.mark.parametrize(("away", "differs"), [(0.9, False), (1.1, True)])
def test_levels_are_the_same_as_far_as_float32_goes(away: float, differs: bool) -> None:
    """Schedulers compute them in it."""
    moved = (1.0, 0.75 + away * NEAR, 0.5, 0.25, 0.0)
    assert bool(schedule_mismatches(LEVELS, {"fox": moved})) is differs


@pytest.mark.parametrize(
    ("actual", "first"),
    [((1.0, 0.75, 0.5, 0.26, 0.0), 3), ((1.0, 0.0), 1), ((1.0, 0.75), 2), ((), 0)],
    ids=["late", "at once", "cut short", "none"],
)
def test_the_first_level_that_differs_is_known(actual: tuple[float, ...], first: int) -> None:
    """However late in the list; where one list begins the other it is the end of the shorter."""
    assert ScheduleMismatch("fox", LEVELS["fox"], actual).first == first


@pytest.mark.parametrize(
    ("actual", "place"),
    [
        ((1.0, 0.75, 0.5, 0.26, 0.0), "5 noise levels, as full's did; level 4 is 0.2600 where full's is 0.2500:"),
        ((1.0, 0.75002, 0.5, 0.25, 0.0), "5 noise levels, as full's did; level 2 is 0.75002 where full's is 0.75000:"),
        ((1.0, 0.5, 0.0), "3 noise levels, full's through 5; level 2 is 0.5000 where full's is 0.7500:"),
        ((1.0, 0.75), "2 noise levels, full's through 5; the first 2 are the same:"),
    ],
)
def test_a_mismatch_is_told_where_it_begins(actual: tuple[float, ...], place: str) -> None:
    """With digits enough to tell the two apart."""
    said = ScheduleMismatch("fox", LEVELS["fox"], actual).sentence(whose="full's")
    assert not unsaid(said, "'fox'", place, "diffusers' scheduler")

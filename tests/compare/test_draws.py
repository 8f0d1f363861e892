"""Tests of telling whether two pictures could start from the same noise."""

from dataclasses import replace

import pytest

from fluxgate.cases import Case
from fluxgate.compare.draws import NEAR, draws_differ, dtype_of
from tests.runs.building import FULL, SUBJECT

DRAWS = {"float32": (0.51, -2.13), "bfloat16": (0.52, -2.12), "float16": (1.4, 0.03)}


def test_rounding_is_no_other_noise() -> None:
    """A number that bfloat16 rounds is the same draw."""
    assert not draws_differ(DRAWS, "float32", DRAWS, "bfloat16")


def test_other_numbers_are_other_noise() -> None:
    """A dtype for which torch draws numbers of its own starts another picture."""
    assert draws_differ(DRAWS, "float32", DRAWS, "float16")


def test_what_was_not_noted_is_not_held_against_anyone() -> None:
    """A rendering of an earlier release, without its draws, is taken to start alike."""
    assert not draws_differ({}, "float32", DRAWS, "float16")


@pytest.mark.parametrize(("drawn_in", "dtype"), [(None, "bfloat16"), ("float32", "float32")])
def test_noise_is_drawn_in_the_subjects_dtype_unless_the_strategy_draws_it_otherwise(
    drawn_in: str | None, dtype: str
) -> None:
    """A strategy that only computes in another dtype starts from the same noise."""
    assert SUBJECT.dtype == "bfloat16"
    assert dtype_of(Case(SUBJECT, replace(FULL, noise=drawn_in), "cuda")) == dtype


@pytest.mark.parametrize(("apart", "differs"), [(0.0, False), (NEAR * 0.99, False), (NEAR * 1.01, True)])
def test_draws_are_the_same_as_long_as_rounding_could_tell_them_apart(apart: float, differs: bool) -> None:
    """Either way; the last of several numbers counts, too."""
    for sign in (1, -1):
        moved = {"float32": (0.0, sign * apart)}
        assert draws_differ({"float32": (0.0, 0.0)}, "float32", moved, "float32") is differs

"""Tests of telling whether two pictures could start from the same noise."""

from fluxgate.compare.draws import draws_differ

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

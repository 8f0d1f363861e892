"""Tests of seconds, shares and similarities in words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate import figures


@pytest.mark.parametrize(
    ("number", "words"),
    [(0.0612, "0.06 s"), (9.99, "9.99 s"), (9.996, "10.0 s"), (12.34, "12.3 s"), (99.94, "99.9 s"),
     (99.96, "1 min 40 s"), (303, "5 min 03 s"), (math.nan, "an unknown time"), (math.inf, "an unknown time")],
)  # fmt: skip
def test_seconds_keep_the_digits_that_matter(number: float, words: str) -> None:
    """Short times have hundredths, long ones minutes, and what is no time says so."""
    assert figures.seconds(number) == words


def test_a_table_has_seconds_without_spaces() -> None:
    """A time fits a narrow column."""
    assert [figures.brief(number) for number in (0.06, 34.5, 303)] == ["0.06s", "34.5s", "5m03s"]


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0%"), (0.00001, "under 0.01%"), (0.0001, "0.01%"), (0.741, "74.1%"), (0.99995, "over 99.99%"), (1, "100%")],
)
def test_a_share_is_never_rounded_to_a_false_end(share: float, words: str) -> None:
    """One changed pixel of a million is not 0%, all but one are not 100%."""
    assert figures.percent(share) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(1.0, "1"), (0.9998, "0.999800"), (0.9999999, "0.999999"), (0.9409, "0.940"), (-0.5, "-0.500")],
)
def test_a_likeness_is_cut_not_rounded(number: float, words: str) -> None:
    """0.9409 is not told as 0.941, the floor that it misses."""
    assert figures.likeness(number) == words


@given(st.floats(min_value=-1, max_value=1, exclude_max=True))
def test_only_the_identical_reads_one(number: float) -> None:
    """Whatever is below 1 is told as below 1."""
    assert float(figures.likeness(number)) < 1
    assert float(figures.likeness(number, digits=3)) <= number + 1e-12


@pytest.mark.parametrize(
    ("number", "limit", "words"),
    [(0.0436, 0.012, ("0.044", "0.012")), (0.0441, 0.0439, ("0.0441", "0.0439")), (0.5, 0.5, ("0.5", "0.5"))],
)
def test_two_numbers_have_as_many_digits_as_tell_them_apart(
    number: float, limit: float, words: tuple[str, str]
) -> None:
    """What is beyond its limit never reads like it."""
    assert figures.distinct(number, limit) == words

"""Tests of the words for amounts of bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.amounts import amount, parse_amount
from fluxgate.refusal import Refusal


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (57_244, "57.2 KB"),
        (57_244_000, "57.2 MB"),
        (99_949_999, "99.9 MB"),
        (100_000_000, "0.10 GB"),
        (33_741_197_000, "33.74 GB"),
        (-2_000_000_000, "-2.00 GB"),
    ],
)
def test_an_amount_is_printed_in_decimal_units(count: int, words: str) -> None:
    """GB means 1e9, and what is smaller keeps its digits."""
    assert amount(count) == words


@pytest.mark.parametrize(
    ("words", "count"),
    [("17 GB", 17 * 10**9), ("8.5gb", 8_500_000_000), ("512 MB", 512 * 10**6), ("39.27GB", 39_270_000_000)],
)
def test_an_amount_is_read_with_or_without_a_space(words: str, count: int) -> None:
    """Both `17 GB` and `17gb` are understood."""
    assert parse_amount(words) == count


@pytest.mark.parametrize("words", ["", "17", "GB", "-1 GB", "1e9 GB", "17 GiB", "9" * 40 + " GB", "nan GB"])
def test_what_is_no_amount_is_refused_by_name(words: str) -> None:
    """A text that is no amount is refused in a sentence that names its place."""
    with pytest.raises(Refusal, match=r"^needs\.disk is .*'17 GB'"):
        parse_amount(words, name="needs.disk")


@given(st.integers(min_value=10**8, max_value=10**13))
def test_what_is_printed_can_be_read_back(count: int) -> None:
    """Printing loses at most half of the last digit."""
    assert abs(parse_amount(amount(count)) - count) <= 5_000_000

"""Tests of what asserts facts in sentences: a fact that is not stated is noticed."""

from __future__ import annotations

import pytest

from tests.wording import unsaid

SENTENCE = "Denoise peaks at 16.00 GB, 0.50 GB more\n  than full's 15.50 GB (n=5)."


@pytest.mark.parametrize("fact", ["16.00 GB", "0.50 GB more", "more than full's", "full's 15.50 GB", "n=5", "(n=5)."])
def test_a_fact_that_is_stated_is_found(fact: str) -> None:
    """In whole words, also over the end of a line."""
    assert unsaid(SENTENCE, fact) == []


@pytest.mark.parametrize("fact", ["6.00 GB", "16.00 G", "50 GB", "ull", "5.50 GB", "n=50", "16.00 GB more"])
def test_a_fact_that_is_not_stated_is_given_back(fact: str) -> None:
    """A part of a number or a name is another one."""
    assert unsaid(SENTENCE, "15.50 GB", fact) == [fact]
    assert unsaid(None, fact) == [fact]

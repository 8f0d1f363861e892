"""Tests of the releases between two versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from fluxgate.gate.culprit.releases import Release, between
from fluxgate.report.gate_result import Move


def versions(given: list[str], old: str | None, new: str | None) -> list[str]:
    return [each.version for each in between(map(Release, given), move=Move("package", old, new))]


@given(st.permutations(["4.9", "4.10", "4.10.1", "5.0", "5.0.1", "5.2"]))
def test_releases_are_in_the_order_of_their_versions(given: list[str]) -> None:
    """Not in that of their letters, nor of the index; the ends are not among them."""
    assert versions(given, "4.9", "5.2") == ["4.10", "4.10.1", "5.0", "5.0.1"]
    assert versions(given, "5.2", "4.9") == ["5.0.1", "5.0", "4.10.1", "4.10"]


def test_a_build_of_an_end_is_no_release_between() -> None:
    """torch 2.11.0+cu130 is 2.11.0."""
    assert versions(["2.10.0", "2.10.1", "2.11.0"], "2.10.0+cu130", "2.11.0+cu130") == ["2.10.1"]


@pytest.mark.parametrize("old, new, inner", [("1.0", "3.0", ["2.0"]), ("1.0", "3.0.dev0", ["2.0rc1", "2.0"])])
def test_releases_before_the_final_one_count_if_an_end_is_one(old: str, new: str, inner: list[str]) -> None:
    """Otherwise pip would not have chosen them either."""
    assert versions(["1.0", "2.0rc1", "2.0"], old, new) == inner


def test_what_is_no_version_is_left_out() -> None:
    """An index may hold names from before there was a rule."""
    assert versions(["0.9-final-really", "0.95"], "0.9", "1.0") == ["0.95"]
    assert versions(["0.95"], "main", "1.0") == []


def test_a_package_that_is_new_has_all_earlier_releases() -> None:
    """Any of these could have been the first."""
    assert versions(["0.1", "0.2", "0.3"], None, "0.3") == ["0.1", "0.2"]


def test_a_yanked_release_stays_one() -> None:
    """It is for the bisection to pass it over."""
    assert between([Release("2.0", yanked=True)], move=Move("a", "1.0", "3.0")) == (Release("2.0", yanked=True),)
    assert Version("2.0") > Version("1.0")

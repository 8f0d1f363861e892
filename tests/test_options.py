"""Tests of fluxgate/options.py."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.options import address_of, chosen, memory, seconds, suggestion, whole_number
from fluxgate.refusal import Refusal

NAMES = ("full", "staged", "nf4")


def test_names_come_in_the_order_of_the_registry() -> None:
    """However the user ordered, repeated or joined the names, the registry's order holds."""
    assert chosen(["nf4, full", "nf4"], among=NAMES, option="--strategy") == ("full", "nf4")


@pytest.mark.parametrize(("text", "wrong"), [("", "empty"), ("full,", "empty"), ("FULL", "unknown"), ("x", "unknown")])
def test_an_unknown_name_is_refused_with_the_list(text: str, wrong: str) -> None:
    """The sentence names the option, what was written and all that there is."""
    with pytest.raises(Refusal, match=rf"^--strategy '.*' is {wrong}; .* full, staged, nf4\.$"):
        chosen([text], among=NAMES, option="--strategy")


def test_a_misspelt_name_is_refused_with_the_one_that_was_meant() -> None:
    """The nearest name says more than the list."""
    with pytest.raises(Refusal, match=r"^--strategy 'stagd' .* 'staged'\?$"):
        chosen(["stagd"], among=NAMES, option="--strategy")


@given(st.sets(st.sampled_from(NAMES), min_size=1))
def test_every_set_of_names_can_be_written(names: set[str]) -> None:
    """What was asked for with commas is what is chosen."""
    assert set(chosen([",".join(names)], among=NAMES, option="--strategy")) == names


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("7", 7), ("007", 7)])
def test_a_whole_number_is_read(text: str, number: int) -> None:
    """The least and the most are allowed."""
    assert whole_number(text, option="--takes", most=7) == number


@pytest.mark.parametrize("text", ["0", "8", "-1", "1.5", "", "two", "²", "9" * 5000])
def test_any_other_number_is_refused(text: str) -> None:
    """The sentence tells the range."""
    with pytest.raises(Refusal, match="from 1 to 7"):
        whole_number(text, option="--takes", most=7)


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_seconds_are_read(value: float) -> None:
    """Any positive time is allowed."""
    assert seconds(repr(value), option="--case-timeout") == value


@pytest.mark.parametrize("text", ["0", "-3", "inf", "nan", "", "soon", str(-math.inf)])
def test_no_time_and_all_time_are_refused(text: str) -> None:
    """A case must be able to begin, and must end."""
    with pytest.raises(Refusal, match="a number of seconds above 0"):
        seconds(text, option="--case-timeout")


def test_an_amount_of_memory_is_read() -> None:
    """In bytes."""
    assert memory("12GB", option="--vram") == 12 * 10**9


@pytest.mark.parametrize("text", ["12", "much", "-1 GB", "0 GB", "0.1 B", ""])
def test_what_is_no_memory_at_all_is_refused(text: str) -> None:
    """Nothing can be rendered in nothing."""
    with pytest.raises(Refusal, match=r"^--vram is "):
        memory(text, option="--vram")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    """A slip of the finger names one; anything else names all that there are."""
    assert suggestion("nf5", NAMES) == "did you mean 'nf4'?"
    assert suggestion("qwertz", ["full", "nf4"]) == "choose from full, nf4."


def test_of_too_many_names_the_command_is_named_that_lists_them() -> None:
    """Two hundred names are too many for a sentence."""
    assert suggestion("qwertz", NAMES, listing="fluxgate list") == f"fluxgate list names all {len(NAMES)}."


@pytest.mark.parametrize(
    "typed, meant",
    [
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("gs://bucket", "gs://bucket"),
        ("hf://datasets/owner/name", "hf://datasets/owner/name"),
        ("file:///shared/store", "file:///shared/store"),
        ("baselines", None),
        ("/s3/bucket", None),
        ("./s3:x", None),
    ],
)
def test_an_address_is_told_from_a_folder(typed: str, meant: str | None) -> None:
    """Although it is typed where a folder may stand, and a path has lost a slash."""
    assert address_of(Path(typed)) == meant


@pytest.mark.parametrize("typed", ["ftp://host/x", "s4://bucket", "S3://bucket/a", "https:/host"])
def test_an_address_that_no_store_has_is_refused(typed: str) -> None:
    """A folder of that name would be empty, and nothing would be held to what was accepted."""
    with pytest.raises(Refusal, match=r"^\w+://.* is no folder, and no address of a store; those begin with s3://"):
        address_of(Path(typed))

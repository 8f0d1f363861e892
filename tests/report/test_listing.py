"""Tests of the listing of subjects and strategies."""

from __future__ import annotations

import msgspec
import pytest

from fluxgate.report.listing import Listing, promise_in_words
from fluxgate.strategies.promise import Promise
from tests.report.listings import NEEDS_GPU, of
from tests.runs.building import MACHINE


def test_every_strategy_is_asked_about_every_subject() -> None:
    """What it can run with is not there."""
    assert {name: one.unsupported for name, one in of().strategies.items()} == {
        "full": {},
        "stream": {"tiny": NEEDS_GPU, "grown": NEEDS_GPU},
        "other-stream": {"tiny": NEEDS_GPU, "grown": NEEDS_GPU},
        "double": {"grown": "it needs twice the memory"},
    }
    assert {name: one.not_ready for name, one in of().subjects.items()} == {"tiny": None, "grown": "it was not grown"}


def test_the_marks_are_those_by_which_pytest_selects() -> None:
    """The family, whether it is slow, and on a GPU that it is rendered there."""
    assert of().strategies["stream"].marks == ("offloading", "slow")
    assert of(MACHINE).strategies["full"].marks == ("test", "gpu")


@pytest.mark.parametrize(
    ("promise", "words"),
    [
        (Promise(), "the reference of all"),
        (Promise(reproduces="full"), "reproduces full"),
        (Promise(approximates="full", less_memory_than="full"), "approximates full, less memory"),
        (Promise(reproduces="nf4", less_memory_than="full"), "reproduces nf4, less memory than full"),
    ],
)
def test_a_promise_in_words(promise: Promise, words: str) -> None:
    """With the strategy that it must need less memory than, where that is not its reference."""
    assert promise_in_words(promise) == words


def test_the_listing_is_plain_data() -> None:
    """It survives the way through JSON."""
    assert msgspec.json.decode(msgspec.json.encode(of()), type=Listing) == of()

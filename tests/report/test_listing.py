"""Tests of the listing of subjects and strategies."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from fluxgate.machine import Machine
from fluxgate.report.listing import Listing, in_words, listing, promise_in_words
from fluxgate.strategies.promise import Promise, Strategy
from fluxgate.subjects.subject import Needs, Subject
from tests.runs.building import FULL, MACHINE, STACK, SUBJECT, strategy

CPU = dataclasses.replace(MACHINE, device="cpu")
GROWN = dataclasses.replace(
    SUBJECT, name="grown", about="a large one", needs=Needs(disk=10**9, vram=2 * 10**9, token=True)
)
NEEDS_GPU = "a GPU is needed: it copies to one"


def refusing(name: str, reason: str, *, only: str | None = None, **changes: Any) -> Strategy:
    """A strategy that cannot run, at all or with one subject."""

    def unsupported(subject: Subject, machine: Machine, stack: object) -> str | None:
        return reason if only in (None, subject.name) else None

    return dataclasses.replace(strategy(name, reproduces="full"), unsupported=unsupported, **changes)


STRATEGIES = (
    FULL,
    refusing("stream", NEEDS_GPU, family="offloading", slow=True),
    refusing("other-stream", NEEDS_GPU),
    refusing("double", "it needs twice the memory", only="grown"),
)


def of(machine: Machine = CPU) -> Listing:
    return listing(
        (SUBJECT, GROWN),
        STRATEGIES,
        machine=machine,
        stack=STACK,
        why_not_ready=lambda subject: "it was not grown" if subject is GROWN else None,
    )


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


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_words_fit_and_say_what_cannot_run(width: int) -> None:
    """What can run comes first; what cannot is told by reason, once."""
    told = in_words(of(), width=width)
    assert max(len(line) for line in told.splitlines()) <= width
    here, nowhere = " ".join(told.split()).split("2 strategies cannot run here: ")
    assert "2 strategies can run here full the reference of all" in here
    assert "Not with grown: it needs twice the memory" in here
    assert nowhere.startswith(f"{NEEDS_GPU} stream reproduces full")
    assert "other-stream" in nowhere
    assert "offloading, slow" in nowhere


def test_the_words_say_what_a_subject_needs_and_lacks() -> None:
    """And that another is ready."""
    told = in_words(of(), width=100)
    assert "  tiny: a tiny pipeline\n    needs nothing; ready\n" in told
    assert "needs 1.00 GB of disk, 2.00 GB of GPU memory and a token of the hub; not ready: it was not grown" in told


def test_names_from_files_are_harmless() -> None:
    """A subject's words come from a file that somebody else may have written."""
    hostile = dataclasses.replace(SUBJECT, about="\x1b[2J")
    told = in_words(listing([hostile], [FULL], machine=CPU, stack=STACK, why_not_ready=lambda subject: None), width=80)
    assert "\x1b" not in told


def test_the_listing_is_plain_data() -> None:
    """It survives the way through JSON."""
    assert msgspec.json.decode(msgspec.json.encode(of()), type=Listing) == of()

"""Tests of the listing for a terminal."""

from __future__ import annotations

import dataclasses

import pytest

from fluxgate.report.listing import listing
from fluxgate.report.listing_terminal import listing_text
from tests.report.listings import CPU, NEEDS_GPU, of
from tests.runs.building import FULL, STACK, SUBJECT
from tests.wording import unsaid


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_words_fit_and_say_what_cannot_run(width: int) -> None:
    """What can run comes first; what cannot is told by reason, once."""
    told = listing_text(of(), width=width)
    assert max(len(line) for line in told.splitlines()) <= width
    here, nowhere = " ".join(told.split()).split("2 strategies cannot run here: ")
    assert not unsaid(here, "2 strategies", "full the reference of all")
    assert not unsaid(here, "Not with grown", "it needs twice the memory")
    assert nowhere.startswith(f"{NEEDS_GPU} stream reproduces full")
    assert "other-stream" in nowhere
    assert "offloading, slow" in nowhere


def test_the_words_say_what_a_subject_needs_and_lacks() -> None:
    """And that another is ready."""
    told = listing_text(of(), width=100)
    assert not unsaid(told, "tiny: a tiny pipeline", "needs nothing; ready")
    assert not unsaid(told, "1.00 GB of disk", "2.00 GB of GPU memory", "a token", "not ready: it was not grown")


def test_names_from_files_are_harmless() -> None:
    """A subject's words come from a file that somebody else may have written."""
    hostile = dataclasses.replace(SUBJECT, about="\x1b[2J")
    told = listing_text(
        listing([hostile], [FULL], machine=CPU, stack=STACK, why_not_ready=lambda subject: None), width=80
    )
    assert "\x1b" not in told

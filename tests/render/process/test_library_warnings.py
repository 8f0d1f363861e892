"""Tests of the warnings of the libraries."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator

import pytest

from fluxgate.render.process import library_warnings
from fluxgate.render.process.library_warnings import LibraryWarnings


@pytest.fixture
def collected() -> Iterator[LibraryWarnings]:
    """A listener that leaves no trace."""
    with warnings.catch_warnings():
        collector = LibraryWarnings()
        yield collector
    for name in library_warnings.LOGGERS:
        logging.getLogger(name).removeHandler(collector)


def test_warnings_are_collected_once_and_handed_out_once(collected: LibraryWarnings) -> None:
    """Repeated ones say nothing new; what is below a warning is none."""
    for _ in range(3):
        logging.getLogger("transformers.modeling").warning("old weights")
    logging.getLogger("transformers.modeling").info("all is well")
    assert collected.new() == ("transformers.modeling: old weights",)
    assert collected.new() == ()
    logging.getLogger("accelerate").error("a hook is missing")
    assert collected.new() == ("accelerate: a hook is missing",)


def test_warnings_are_kept_without_their_colours(collected: LibraryWarnings) -> None:
    """They are read in files and reports."""
    logging.getLogger("transformers").warning("\x1b[1mT5 LOAD REPORT\x1b[0m: \x1b[31mMISSING\x1b[0m")
    assert collected.new() == ("transformers: T5 LOAD REPORT: MISSING",)


def test_a_flood_of_warnings_is_bounded(collected: LibraryWarnings) -> None:
    """In number and in length."""
    for number in range(library_warnings.MOST_WARNINGS + 50):
        logging.getLogger("torch").warning("%d %s", number, "x" * 1000)
    lines = collected.new()
    assert len(lines) == library_warnings.MOST_WARNINGS
    assert {len(line) for line in lines} == {library_warnings.LONGEST_WARNING}

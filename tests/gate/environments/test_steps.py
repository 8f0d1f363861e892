"""Tests of steps that say beforehand how long they will take."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from fluxgate.gate.environments.durations import UNKNOWN, expected, note
from fluxgate.gate.environments.steps import refusing_a_failing_disk, step
from fluxgate.refusal import Refusal


@pytest.fixture(autouse=True)
def _empty(empty_cache: Path) -> None:
    """Nothing was measured yet."""


def test_a_step_says_what_the_last_ones_took() -> None:
    """The first one that it is not known; and each what it took itself."""
    lines: list[str] = []
    for _ in range(2):
        with step("Resolving", kind="resolve", report=lines.append):
            pass
    assert lines[0] == f"Resolving: {UNKNOWN}"
    assert lines[2] == "Resolving: about 1 s"
    assert lines[1].startswith("Resolving took 0.0")


def test_a_step_that_fails_teaches_nothing() -> None:
    """That a release does not exist is found out at once; that one does takes longer."""
    note("resolve", 30.0)
    with step("Resolving", kind="resolve", report=lambda line: None) as timed:
        timed.failed = True
    with pytest.raises(KeyboardInterrupt), step("Resolving", kind="resolve", report=lambda line: None):
        raise KeyboardInterrupt
    assert expected("resolve") == "about 30 s"


def test_a_failing_disk_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """Whether it is full or cannot be written; a reader who has gone is none."""
    for number, words in ((errno.ENOSPC, "is full"), (errno.EROFS, "cannot be read or written")):
        with pytest.raises(Refusal, match=words), refusing_a_failing_disk(tmp_path):
            raise OSError(number, "no", str(tmp_path))
    with pytest.raises(BrokenPipeError), refusing_a_failing_disk(tmp_path):
        raise BrokenPipeError

"""Tests of the check of a case's seconds."""

from pathlib import Path

import pytest

from suite.judge.verdict import FAILED, PASSED, SPEED, UNSUPPORTED, Verdict
from suite.rendering import Duration
from tests.judge.made import evidence, verdict, with_rendering


def took(tmp_path: Path, seconds: float, past: tuple[float, ...]) -> Verdict:
    durations = (Duration("load", 1.0), Duration("denoise", seconds, "fox", 0))
    return verdict(with_rendering(evidence(tmp_path, history={"denoise": past}), durations=durations), SPEED)


@pytest.mark.parametrize("runs", [0, 4])
def test_a_short_history_is_unsupported(tmp_path: Path, runs: int) -> None:
    """Fewer than five runs are told, with how many there are."""
    found = took(tmp_path, 9.0, (2.0,) * runs)
    assert (found.status, found.sentence.startswith(f"{runs} earlier runs")) == (UNSUPPORTED, True)
    assert found.numbers == {"seconds load": 1.0, "seconds denoise": 9.0}


@pytest.mark.parametrize(
    ("past", "most"),
    [
        ((4.0,) * 5, 5.0),  # a quarter more
        ((1.0,) * 5, 1.5),  # half a second more, since short phases vary
        ((3.0, 3.5, 4.0, 4.5, 5.0), 7.0),  # six times its own spread
        ((90.0,) * 15 + (4.0,) * 20, 5.0),  # what lies further back is forgotten
    ],
    ids=["share", "seconds", "spread", "window"],
)
def test_slower_must_be_slower_in_every_respect(tmp_path: Path, past: tuple[float, ...], most: float) -> None:
    """In percent, in seconds and beyond what the history varies; on the limit passes."""
    assert took(tmp_path, most, past).status == PASSED
    found = took(tmp_path, most + 0.001, past)
    assert found.status == FAILED
    assert found.limit is not None
    assert found.limit.value == pytest.approx(most)


def test_slower_is_told_whole(tmp_path: Path) -> None:
    """What was found, what was usual, what may be, and what to run."""
    assert took(tmp_path, 6.0, (4.0,) * 5).sentence == (
        "Denoise took 6.00 s, 50% more than the 4.00 s that 5 earlier runs took; "
        "at most 5.00 s are within what they vary. "
        "Run pytest --subject tiny --strategy offload with nothing else on the machine."
    )  # fmt: skip

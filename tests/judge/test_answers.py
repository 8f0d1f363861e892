"""Tests of answers: a verdict comes through JSON, whatever was measured."""

from __future__ import annotations

import math
from pathlib import Path

from fluxgate.files import read_plain, write_plain
from fluxgate.judge.answers import failed
from fluxgate.judge.verdict import ORACLE, Verdict
from tests.judge.made import evidence


def test_a_verdict_on_what_is_no_number_can_be_read_again(tmp_path: Path) -> None:
    """As of a stage that is NaN: JSON has no such numbers, and a run whose verdicts cannot be read has no report."""
    numbers = {"stages": 3.0, "share of tolerance": math.inf, "mean": math.nan}
    answer = failed(evidence(tmp_path), ORACLE, "It lies far from the oracle.", numbers=numbers)
    write_plain(tmp_path / "verdicts.json", (answer,))
    assert read_plain(tmp_path / "verdicts.json", tuple[Verdict, ...]) == (answer,)
    assert answer.numbers == {"stages": 3.0}

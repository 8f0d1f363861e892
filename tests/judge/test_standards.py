"""Tests of the standards that hold beside a run."""

from pathlib import Path

import pytest

from fluxgate.baselines.store import KNOWN_FAILURES, Store
from fluxgate.judge.standards import known_failures_of
from fluxgate.refusal import Refusal

ENTRY = """
[[failure]]
subject = "tiny"
strategy = "{strategy}"
check = "{check}"
reason = "It is broken."
upstream = ["https://example.org/1"]
versions = ["diffusers<=0.42.1"]
since = 2025-07-01
owner = "ada"
review_by = 2026-07-01
"""


@pytest.mark.parametrize(
    ("strategy", "check", "reason"),
    [("full", "takes effect", "takes effect"), ("no-such", "took effect", "no-such")],
)
def test_a_known_failure_of_nothing_is_refused(tmp_path: Path, strategy: str, check: str, reason: str) -> None:
    """It would never be noticed: neither its check nor its strategy exists."""
    (tmp_path / KNOWN_FAILURES).write_text(ENTRY.format(strategy=strategy, check=check))
    with pytest.raises(Refusal, match=reason):
        known_failures_of(Store(tmp_path), subjects=["tiny"])


def test_known_failures_are_read(tmp_path: Path) -> None:
    """Those of checks, strategies and subjects that exist."""
    (tmp_path / KNOWN_FAILURES).write_text(ENTRY.format(strategy="full", check="took effect"))
    assert [entry.check for entry in known_failures_of(Store(tmp_path), subjects=["tiny"])] == ["took effect"]

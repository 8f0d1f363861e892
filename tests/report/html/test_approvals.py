"""Tests of approvals: what is read is what a page writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fluxgate.refusal import Refusal
from fluxgate.report.html.approvals import Approvals, Decision, Seen, read_approvals

ONE: dict[str, Any] = {
    "case": "tiny-nf4",
    "decision": "approved",
    "note": "as meant",
    "pictures": [{"shot": "fox", "index": 0, "sha256": "a" * 64}],
}


def written(path: Path, *decisions: dict[str, Any], schema: int = 1) -> Path:
    content = {"schema": schema, "run": "20260301", "made": "2026-03-01T13:05:00.000Z", "decisions": decisions}
    path.write_text(json.dumps(content))
    return path


def test_decisions_are_read(tmp_path: Path) -> None:
    """With the pictures that were looked at."""
    found = read_approvals(written(tmp_path / "approvals.json", ONE))
    decision = Decision("tiny-nf4", "approved", "as meant", (Seen("fox", 0, "a" * 64),))
    assert found == Approvals("20260301", "2026-03-01T13:05:00.000Z", (decision,))


@pytest.mark.parametrize(
    "decisions, schema",
    [
        ([ONE], 2),
        ([{**ONE, "decision": "perhaps"}], 1),
        ([{**ONE, "pictures": "all"}], 1),
        ([ONE, {**ONE, "decision": "rejected"}], 1),
    ],
)
def test_what_is_no_approval_is_refused(tmp_path: Path, decisions: list[dict[str, Any]], schema: int) -> None:
    """A newer format, another word, and two decisions about one case."""
    with pytest.raises(Refusal):
        read_approvals(written(tmp_path / "approvals.json", *decisions, schema=schema))

"""Tests of complaints about work: what of many changes is told."""

from __future__ import annotations

import pytest

from fluxgate.compare.work import OPERATORS, WorkChange
from fluxgate.judge.counted_work.complaint import NAMED, changed
from fluxgate.rendering import DECODE, DENOISE


@pytest.mark.parametrize(
    ("more", "rest"), [(0, "times instead of 1"), (1, "and 1 more counter differs"), (2, "and 2 more counters differ")]
)
def test_the_first_changes_are_told_and_the_rest_counted(more: int, rest: str) -> None:
    """The phases are those of what is told."""
    told = tuple(WorkChange(DENOISE, OPERATORS, f"aten.op{number}", 1, 3) for number in range(NAMED))
    complaint = changed("It is other work", told + more * (WorkChange(DECODE, OPERATORS, "aten.add", 1, 2),))
    assert complaint.sentence.endswith(rest)
    assert complaint.sentence.count("aten.op") == len(complaint.phases) == NAMED
    assert set(complaint.phases) == {DENOISE}

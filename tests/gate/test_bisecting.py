"""Tests of what counts as the same fault while releases are bisected."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fluxgate.gate.bisecting import same_fault
from fluxgate.gate.culprit.outcomes import BAD, FAILED, GOOD, Result, trial
from fluxgate.gate.probing import Evidence
from fluxgate.report.gate_result import EvidenceResult

MOVED = EvidenceResult("tiny-full", "changed", "prompt embeddings")
ELSEWHERE = EvidenceResult("tiny-full", "changed", "decoded picture", reason="its pictures are darker")
IMPORT = EvidenceResult(None, "import", reason="diffusers cannot be imported")


@pytest.mark.parametrize(
    ("evidence", "outcome"),
    [((MOVED,), BAD), ((ELSEWHERE, MOVED), BAD), ((ELSEWHERE,), FAILED), ((IMPORT,), FAILED), ((), BAD)],
)
def test_a_release_with_another_fault_is_passed_over(evidence: Evidence, outcome: str) -> None:
    """It says nothing about the fault that is looked for, and why is told."""
    result = same_fault(probe_of(Result(BAD, evidence)), (MOVED,))(trial(()))
    assert result.outcome == outcome
    assert ("it fails otherwise" in result.why) is (outcome == FAILED)


def test_what_is_good_stays_so() -> None:
    """Whatever it is held against."""
    assert same_fault(probe_of(Result(GOOD)), (MOVED,))(trial(())).outcome is GOOD


def probe_of(result: Result[Evidence]) -> Callable[[object], Result[Evidence]]:
    return lambda asked: result

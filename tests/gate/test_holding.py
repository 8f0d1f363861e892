"""Tests of a whole gate: two real environments, made by cloning and pip, and a package with a fault in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.gate.holding import CULPRIT, ENVIRONMENTS, RENDERING
from fluxgate.rendering import DECODED
from fluxgate.report.gate_folder import read_gate_result
from fluxgate.report.gate_result import Answer, CaseOutcome
from tests.gate.held import folder_of

pytestmark = pytest.mark.timeout(1800)  # the first waits until the gate was held


def test_a_fault_in_a_release_is_seen_where_it_shows(real_gate: Path) -> None:
    """It dims what is decoded in tiles; nothing else differs between the two environments."""
    result = read_gate_result(folder_of(real_gate))
    outcomes = {case.strategy: (case.outcome, case.stage) for case in result.cases}
    assert result.answer is Answer.NOT_SAFE
    assert outcomes == {"full": (CaseOutcome.IDENTICAL, None), "vae-tiling": (CaseOutcome.CHANGED, DECODED)}
    assert [(one.package, one.old, one.new) for one in result.moves] == [("seeded-a", "1.0", "2.0")]
    assert set(result.seconds) == {ENVIRONMENTS, RENDERING, CULPRIT}


def test_the_release_is_blamed_once_both_ends_were_made_anew(real_gate: Path) -> None:
    """The incumbent fails with it alone, and the pin is that with which the candidate passes."""
    culprit = read_gate_result(folder_of(real_gate)).culprit
    assert culprit is not None
    assert ([one.package for one in culprit.packages], culprit.pin) == (["seeded-a"], ("seeded-a==1.0",))

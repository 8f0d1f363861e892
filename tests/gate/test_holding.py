"""Tests of a whole gate: real environments, real renderings, small packages with a fault in them."""

from __future__ import annotations

from pathlib import Path

from fluxgate.gate.culprit.finding import Kind
from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.holding import hold
from fluxgate.gate.settings import Settings
from fluxgate.gate.stacks import asked_of
from fluxgate.rendering import T5
from fluxgate.report.gate_result import Answer
from tests.gate.faults import louder, release, with_packages


def test_a_fault_is_found_and_blamed_on_its_release(tiny_subject: str, tmp_path: Path) -> None:
    """One of two packages that moved multiplies embeddings, since its second release; the third is what is gated."""
    wheelhouse = tmp_path / "wheels"
    wheelhouse.mkdir()
    for name, version, body in (
        ("seeded_a", "1.0", ""),
        ("seeded_a", "2.0", louder()),
        ("seeded_a", "3.0", louder()),
        ("seeded_b", "1.0", ""),
        ("seeded_b", "2.0", ""),
    ):
        release(wheelhouse, name, version, body)
    incumbent = with_packages(wheelhouse, "seeded_a", "seeded_b")
    settings = Settings(
        (tiny_subject,), strategies=("full",), wheelhouse=wheelhouse, bisect=True, runs=tmp_path / "runs"
    )
    asked = asked_of(("seeded_a==3.0", "seeded_b==2.0"), python=incumbent.python)
    lines: list[str] = []
    held = hold(asked, settings, installer=Pip(wheelhouse=wheelhouse), report=lines.append)
    (outcome,) = held.gated.outcomes
    assert (held.gated.decision.answer, outcome.outcome, outcome.stage) == (Answer.NOT_SAFE, "changed", T5)
    assert held.finding is not None
    assert (held.finding.kind, [move.package for move in held.finding.moves]) == (Kind.SINGLE, ["seeded-a"])
    assert [turn.first_bad for turn in held.ranges] == ["2.0"]

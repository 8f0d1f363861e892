"""Tests of a whole gate: two real environments, made by cloning and pip, and a package with a fault in it."""

from __future__ import annotations

from pathlib import Path

from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.holding import ENVIRONMENTS, RENDERING, hold
from fluxgate.gate.settings import Settings
from fluxgate.gate.stacks import asked_of
from fluxgate.rendering import T5
from fluxgate.report.gate_result import Answer
from tests.gate.faults import louder, release, with_packages


def test_a_fault_in_a_release_is_seen_where_it_shows(tiny_subject: str, tmp_path: Path) -> None:
    """It multiplies the prompt's embeddings; nothing else differs between the two environments."""
    release(tmp_path, "seeded_a", "1.0")
    release(tmp_path, "seeded_a", "2.0", louder())
    incumbent = with_packages(tmp_path, "seeded_a")
    settings = Settings((tiny_subject,), strategies=("full",), culprit=False, runs=tmp_path / "runs")
    asked = asked_of(("seeded_a==2.0",), python=incumbent.python)
    held = hold(asked, settings, installer=Pip(wheelhouse=tmp_path))
    (outcome,) = held.gated.outcomes
    assert (held.gated.decision.answer, outcome.outcome, outcome.stage) == (Answer.NOT_SAFE, "changed", T5)
    assert [str(move) for move in held.gated.moves] == ["seeded-a 1.0 → 2.0"]
    assert set(held.seconds) == {ENVIRONMENTS, RENDERING}

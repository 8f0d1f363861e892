"""Tests of what a search for the culprit remembers from earlier ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fluxgate.gate.blaming import journal
from fluxgate.gate.culprit.outcomes import BAD, FAILED, Result, trial
from fluxgate.gate.decision import Decision
from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.gate import Gated
from fluxgate.gate.probing import Evidence
from fluxgate.gate.settings import Settings
from fluxgate.gate.sides import render_anew
from fluxgate.gate.stacks import Stacks
from fluxgate.report.gate_result import Answer, EvidenceResult, Move
from tests.runs.building import MACHINE, STACK

ALONE = trial([Move("transformers", "4.56.2", "4.57.0")])
BESIDE = trial([Move("accelerate", "1.14.0", "1.15.0")])
GATED = Gated(Decision(Answer.NOT_SAFE, "Not safe."), MACHINE, dict(STACK), {**STACK, "transformers": "4.57.0"}, ())


INCUMBENT, CANDIDATE, REBUILT = (
    Built(Path("python"), Path(name), Pins({}), None, 1.0, False) for name in ("0123", "4567", "89ab")
)
MADE = Stacks(INCUMBENT, CANDIDATE, ())


def test_what_was_bad_stays_so_and_what_failed_is_tried_again(tmp_path: Path) -> None:
    """A full disk, or a network that was gone, is no property of an environment."""
    settings = Settings(runs=tmp_path)
    first = journal(MADE, GATED, settings, cases=["tiny-full"])
    bad: Result[Evidence] = Result(BAD, evidence=(EvidenceResult("tiny-full", "changed", "prompt embeddings"),))
    first[ALONE], first[BESIDE] = bad, Result(FAILED, why="pip left with 1")
    again = journal(MADE, GATED, settings, cases=["tiny-full"])
    assert (again.get(ALONE), again.get(BESIDE)) == (bad, None)


def test_another_question_knows_nothing_of_it(tmp_path: Path) -> None:
    """Other cases, or releases; or a candidate of the same versions that was built of other files."""
    settings = Settings(runs=tmp_path)
    journal(MADE, GATED, settings, cases=["tiny-full"])[ALONE] = Result(BAD, evidence=())
    rebuilt = replace(MADE, candidate=REBUILT)
    for made, cases, among in (
        (MADE, ["tiny-nf4"], None),
        (MADE, ["tiny-full"], "releases"),
        (rebuilt, ["tiny-full"], None),
    ):
        assert journal(made, GATED, settings, cases=cases, among=among).get(ALONE) is None
    render_anew(INCUMBENT, settings)
    assert journal(MADE, GATED, settings, cases=["tiny-full"]).get(ALONE) is None

"""Tests of what a search for the culprit remembers from earlier ones."""

from __future__ import annotations

from pathlib import Path

from fluxgate.gate.blaming import SUSPECTS, journal
from fluxgate.gate.culprit.outcomes import BAD, FAILED, Result, trial
from fluxgate.gate.decision import Decision
from fluxgate.gate.environments.pins import Move
from fluxgate.gate.gate import Gated
from fluxgate.gate.probing import Evidence
from fluxgate.gate.settings import Settings
from fluxgate.rendering import STAGES
from fluxgate.report.gate_result import Answer, EvidenceResult
from tests.runs.building import MACHINE, STACK

ALONE = trial([Move("transformers", "4.56.2", "4.57.0")])
BESIDE = trial([Move("accelerate", "1.14.0", "1.15.0")])
GATED = Gated(Decision(Answer.NOT_SAFE, "Not safe."), MACHINE, dict(STACK), {**STACK, "transformers": "4.57.0"}, ())


def test_what_was_bad_stays_so_and_what_failed_is_tried_again(tmp_path: Path) -> None:
    """A full disk, or a network that was gone, is no property of an environment."""
    settings = Settings(runs=tmp_path)
    first = journal(GATED, settings, cases=["tiny-full"], candidate="all")
    bad: Result[Evidence] = Result(BAD, evidence=(EvidenceResult("tiny-full", "changed", "prompt embeddings"),))
    first[ALONE], first[BESIDE] = bad, Result(FAILED, why="pip left with 1")
    again = journal(GATED, settings, cases=["tiny-full"], candidate="all")
    assert (again.get(ALONE), again.get(BESIDE)) == (bad, None)


def test_another_question_knows_nothing_of_it(tmp_path: Path) -> None:
    """Other cases, or another candidate."""
    journal(GATED, Settings(runs=tmp_path), cases=["tiny-full"], candidate="all")[ALONE] = Result(BAD, evidence=())
    for cases, candidate in ((["tiny-nf4"], "all"), (["tiny-full"], "releases")):
        assert journal(GATED, Settings(runs=tmp_path), cases=cases, candidate=candidate).get(ALONE) is None


def test_every_stage_has_suspects() -> None:
    """And each begins with the package that works there."""
    assert {stage: SUSPECTS[stage][0] for stage in STAGES} == {
        stage: "transformers" if "embeddings" in stage else "diffusers" for stage in STAGES
    }

"""The result of a gate as plain data, for programs."""

from __future__ import annotations

from dataclasses import dataclass, field

from fluxgate.gate.blaming import Evidence
from fluxgate.gate.culprit.finding import Finding, sentence
from fluxgate.gate.environments.pins import Moves
from fluxgate.gate.gate import Gated
from fluxgate.gate.outcome import Outcome
from fluxgate.machine import Machine

SCHEMA = 1


@dataclass(frozen=True)
class CaseResult:
    """What became of one case."""

    subject_and_strategy: str
    outcome: str
    reason: str
    stage: str | None
    shots: tuple[str, ...]
    pictures_compared: int
    pictures_moved: int
    least_ssim: float | None
    largest_difference: float | None  # in levels of 255
    inventory: tuple[str, ...]  # every change, before → after
    checks: tuple[str, ...]


@dataclass(frozen=True)
class CulpritResult:
    """Who is to blame."""

    kind: str
    sentence: str
    packages: Moves
    pin: tuple[str, ...]  # with these the candidate was seen to be good
    environments: int  # how many were tried beside the two
    unresolved: tuple[str, ...]


@dataclass(frozen=True)
class GateResult:
    """What `fluxgate gate` writes."""

    answer: str
    sentence: str
    contrasts: tuple[str, ...]
    machine: Machine
    incumbent: dict[str, str]
    candidate: dict[str, str]
    moves: Moves
    cases: tuple[CaseResult, ...]
    failed_stage: str | None  # at which the candidate failed, if it was not rendered
    culprit: CulpritResult | None
    runs: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA


def as_plain(gated: Gated, finding: Finding[Evidence] | None) -> GateResult:
    """What a gate found, without anything that only this process can use."""
    return GateResult(
        answer=gated.decision.answer.value,
        sentence=gated.decision.sentence,
        contrasts=gated.decision.contrasts,
        machine=gated.machine,
        incumbent=gated.incumbent,
        candidate=gated.candidate,
        moves=gated.moves,
        cases=tuple(map(_case, gated.outcomes)),
        failed_stage=gated.stage,
        culprit=None if finding is None else _culprit(finding),
        runs=gated.runs,
    )


def _case(outcome: Outcome) -> CaseResult:
    return CaseResult(
        outcome.case_id,
        outcome.outcome,
        outcome.reason,
        outcome.stage,
        outcome.shots,
        pictures_compared=outcome.pictures.compared,
        pictures_moved=outcome.pictures.moved,
        least_ssim=outcome.pictures.least,
        largest_difference=outcome.pictures.largest,
        inventory=outcome.inventory,
        checks=outcome.checks,
    )


def _culprit(finding: Finding[Evidence]) -> CulpritResult:
    return CulpritResult(
        kind=finding.kind.value,
        sentence=sentence(finding),
        packages=finding.moves,
        pin=tuple(f"{move.package}=={move.old}" for move in finding.held_back if move.old is not None),
        environments=finding.environments,
        unresolved=finding.unresolved,
    )

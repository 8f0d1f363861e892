"""What a played row gave, held against what it must give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from fluxgate.gate.culprit.finding import sentence
from fluxgate.gate.environments.stages import Stage, StageFailure
from fluxgate.gate.gate import Gated
from fluxgate.gate.holding import Held
from fluxgate.gate.replays.rows import Expected, Row
from fluxgate.judge.sentences import listed
from fluxgate.report.gate_result import CaseResult


class Status(StrEnum):
    """A closed list."""

    AS_EXPECTED = "as expected"
    WRONG = "wrong"  # the gate says something else; each difference is a sentence
    NOT_INSTALLED = "not installable"  # here, any more: says nothing about the gate


@dataclass(frozen=True)
class Played:
    """What became of a row on one machine."""

    row: str
    status: Status
    differences: tuple[str, ...] = ()  # whole sentences: what was expected, and what came
    answer: str | None = None
    sentence: str = ""  # the gate's decision, or why the row cannot be installed
    stage: str | None = None
    reason: str = ""  # of the case that is worst
    cases: dict[str, str] = field(default_factory=dict)  # strategy -> outcome
    culprit: tuple[str, ...] = ()  # "transformers 4.56.2 → 4.57.0"
    kind: str | None = None  # of what was found: single, interaction, …
    found: str = ""  # the culprit's sentence
    moved: tuple[str, ...] = ()  # all that moved
    environments: int = 0  # how many were tried beside the two
    seconds: float = 0.0
    load: float | None = None  # of the machine afterwards: processes that want a core, this one's among them
    machine: str = ""
    python: str = ""
    torch: str = ""
    date: str = ""
    digest: str = ""  # of the row and of what this Python has: what the result depends on


def played(row: Row, held: Held, *, faults: Sequence[str] = ()) -> Played:
    """The row's result. faults: what is red in the good pins alone."""
    gated, finding = held.gated, held.finding
    differences = tuple(_differences(row, held, faults))
    return Played(
        row=row.name,
        status=Status.WRONG if differences else Status.AS_EXPECTED,
        differences=differences,
        answer=str(gated.decision.answer),
        sentence=gated.decision.sentence,
        stage=_stage(gated),
        reason=_reasons(gated)[0],
        cases={one.strategy: str(one.outcome) for one in gated.outcomes},
        culprit=tuple(map(str, finding.moves)) if finding is not None else (),
        kind=str(finding.kind) if finding is not None else None,
        found=sentence(finding) if finding is not None else "",
        moved=tuple(map(str, gated.moves)),
        environments=finding.environments if finding is not None else 0,
    )


def unmade(row: Row, failure: StageFailure) -> Played:
    """The result of a row of which a stack cannot be installed here; or the good one can, and not be imported."""
    if failure.stage is Stage.IMPORT:
        red = f"The good pins are red by themselves: {failure.sentence}"
        return Played(row=row.name, status=Status.WRONG, differences=(red,), sentence=failure.sentence)
    return Played(row=row.name, status=Status.NOT_INSTALLED, sentence=failure.sentence)


def _differences(row: Row, held: Held, faults: Sequence[str]) -> Iterator[str]:
    """Each way in which the gate said something else than it must, in a sentence."""
    expected, gated, stage = row.expected, held.gated, _stage(held.gated)
    if faults:
        yield f"The good pins are red by themselves: {listed(faults)}."
    if gated.decision.answer != expected.answer:
        yield f"'{expected.answer}' was expected, and the answer is '{gated.decision.answer}'."
        return
    if expected.stage is not None and stage != expected.stage:
        yield f"It must show first at '{expected.stage}', and shows at '{stage or 'no stage'}'."
    outcomes = {one.strategy: str(one.outcome) for one in gated.outcomes}
    for strategy, outcome in expected.cases.items():
        if outcomes.get(strategy) != outcome:
            yield f"{strategy} must be {outcome}, and is {outcomes.get(strategy, 'not rendered')}."
    if expected.reason is not None and not any(expected.reason in reason for reason in _reasons(gated)):
        yield f"'{expected.reason}' was expected in the reason, which is: {_reasons(gated)[0]}."
    yield from _other_culprit(expected, held)


def _other_culprit(expected: Expected, held: Held) -> Iterator[str]:
    """Everybody who is to blame is named, and first; and beside them only who cannot move alone."""
    named = [move.package for move in held.finding.moves] if held.finding is not None else []
    first, others = set(named[: len(expected.culprit)]), set(named[len(expected.culprit) :])
    if first != set(expected.culprit) or not others <= set(expected.tied):
        who = listed(named) if named else "nobody"
        yield f"The culprit must be {listed(expected.culprit) or 'nobody'}, and {who} is named."


def _stage(gated: Gated) -> str | None:
    """Where the candidate fails first: at the import, in a phase of most cases, or where most of them first differ."""
    if gated.stage is not None:
        return str(gated.stage)
    places = [place for one in gated.outcomes if one.is_bad and (place := _place(one)) is not None]
    return max(dict.fromkeys(places), key=places.count, default=None)


def _place(outcome: CaseResult) -> str | None:
    """The phase in which a case crashes, or the first stage that differs."""
    return outcome.crashed_during or outcome.stage


def _reasons(gated: Gated) -> tuple[str, ...]:
    """What is said of each case that is bad, and of the candidate."""
    return (*(one.reason for one in gated.outcomes if one.is_bad), gated.decision.sentence)

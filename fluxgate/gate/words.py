"""What a gate found, for a terminal: the decision, the culprit, what to pin, the cases, what to run next."""

from __future__ import annotations

from collections.abc import Iterator

from fluxgate.gate.blaming import Evidence
from fluxgate.gate.culprit.finding import Finding, sentence
from fluxgate.gate.decision import Answer
from fluxgate.gate.gate import Gated
from fluxgate.gate.outcome import IDENTICAL, Outcome
from fluxgate.judge.sentences import counted
from fluxgate.report.escaping import plain, wrapped

OUTCOME_WIDTH = 10
NARROWEST = 60  # columns, so that a reason beside a case has room


def lines(gated: Gated, finding: Finding[Evidence] | None, *, width: int) -> Iterator[str]:
    """Everything, the decision first."""
    width = max(width, NARROWEST)
    yield from wrapped(gated.decision.sentence, width)
    if finding is not None:
        yield from wrapped(sentence(finding), width)
        pins = [f"{move.package}=={move.old}" for move in finding.held_back if move.old is not None]
        if pins:
            yield from wrapped(f"Pin {', '.join(pins)}.", width)
    for contrast in gated.decision.contrasts:
        yield from wrapped(contrast, width)
    yield ""
    yield from wrapped(f"{counted(len(gated.moves), 'package')} moved: {', '.join(map(str, gated.moves))}.", width)
    yield f"On {plain(gated.machine.name)}, torch {gated.machine.torch} ({gated.machine.id})."
    if gated.outcomes:
        yield ""
        yield from _cases(gated, width)
    for name, folder in gated.runs.items():
        yield f"The {name}'s run is in {plain(folder)}"


def _cases(gated: Gated, width: int) -> Iterator[str]:
    """A paragraph for each case, those that are the same last and without a reason."""
    name = max(len(outcome.strategy) for outcome in gated.outcomes)
    for outcome in sorted(gated.outcomes, key=lambda one: (not one.is_bad, one.outcome == IDENTICAL)):
        lead = f"{outcome.strategy:<{name}}  {outcome.outcome:<{OUTCOME_WIDTH}}"
        reason = "" if outcome.outcome == IDENTICAL and outcome.crash is None else _reason(outcome)
        indent = " " * (len(lead) + 2)
        yield from wrapped(f"{lead}  {reason}".rstrip(), width, further=indent)
        for change in outcome.inventory[1:]:
            yield from wrapped(change, width, indent=indent, further=indent)


def _reason(outcome: Outcome) -> str:
    where = f"; first at the {outcome.stage}" if outcome.stage else ""
    return f"{outcome.reason}{where}"


def next_step(gated: Gated) -> str:
    """What to run next."""
    if gated.decision.answer is Answer.NOT_SAFE:
        return "Keep the incumbent, or run fluxgate gate again without what is to blame."
    if gated.decision.answer is Answer.CANNOT_TELL:
        return "Run it again on a quiet machine, or with --tier all."
    return "Upgrade."

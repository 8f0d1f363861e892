"""The report on a gate as Markdown: the decision, the culprit and what to pin, a table of the cases, and what moved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fluxgate import figures
from fluxgate.judge.sentences import sentence_case
from fluxgate.report.escaping import LONGEST, plain, shortened
from fluxgate.report.escaping import markdown as safe
from fluxgate.report.gate_result import MOST_WORK, CaseOutcome, CaseResult, GateResult
from fluxgate.report.markdown import bullets, table


def gate_markdown(result: GateResult) -> str:
    """The whole result."""
    return "\n\n".join(_blocks(result)) + "\n"


def _blocks(result: GateResult) -> Iterator[str]:
    yield f"# Fluxgate: {safe(sentence_case(result.answer.value))}"
    yield safe(result.sentence)
    yield from culprit_blocks(result)
    yield from next_blocks(result)
    yield from map(safe, result.contrasts)
    if result.cases:
        yield cases_table(result)
        yield bullets(_why(case) for case in result.cases if case.outcome is not CaseOutcome.IDENTICAL)
    if result.moves:
        yield "## What moved"
        yield moves_table(result)
    yield f"On {safe(result.held_on)}, by {safe(result.command)}."


def culprit_blocks(result: GateResult) -> Iterator[str]:
    """Who did it, and what to paste into the file of requirements."""
    if result.culprit is None:
        return
    yield f"**{safe(result.culprit.sentence)}**"
    yield from filter(None, [safe(result.unasked_blame)])
    yield from (safe(one.sentence) for one in result.culprit.releases)
    yield from map(safe, result.culprit.unresolved)
    if result.pin:
        yield _block(result.pin)


def next_blocks(result: GateResult) -> Iterator[str]:
    """What to do next, and the command for it as it is typed."""
    if result.next:
        yield safe(result.next_words)
    if result.next_command:
        yield _block([result.next_command])


def _block(lines: Iterable[str]) -> str:
    return "\n".join(["```", *(plain(line).replace("`", "'") for line in lines), "```"])


def cases_table(result: GateResult) -> str:
    """A row for each case, the bad ones first."""
    ordered = sorted(result.cases, key=lambda case: not case.is_bad)
    heads = ["case", "outcome", "first at", "pictures moved", "least SSIM", "largest difference"]
    return table(heads, ([*map(safe, _cells(case))] for case in ordered))


def _cells(case: CaseResult) -> Iterator[str]:
    yield case.case_id
    yield case.outcome.value
    yield case.stage or ""
    yield f"{case.pictures_moved} of {case.pictures_compared}" if case.pictures_compared else ""
    yield "" if case.least_ssim is None else figures.likeness(case.least_ssim)
    yield "" if case.largest_difference is None else f"{case.largest_difference:.0f}/255"


def _why(case: CaseResult) -> str:
    further = [
        *case.inventory,
        *(f"work: {change}" for change in case.work[:MOST_WORK]),
        *(f"{'now fails' if case.is_bad else 'now passes'} '{check}'" for check in case.checks),
    ]
    told = (safe(shortened(text, LONGEST)) for text in (case.reason, *further))
    return f"**{safe(case.case_id)}**, {case.outcome.value}: {'; '.join(told)}"


def moves_table(result: GateResult) -> str:
    """Every package that moved, with its versions, and whether somebody had asked for that."""
    blamed, along = result.culprit.packages if result.culprit else (), result.came_along
    rows = (
        [safe(one.package), safe(one.old or "absent"), safe(one.new or "absent"), safe("; ".join(filter(None, notes)))]
        for one in result.told_moves
        for notes in [("culprit" if one in blamed else "", along.get(one.package))]
    )
    return table(["package", "incumbent", "candidate", ""], rows)

"""What a team lead asks of a gate: safe or not, what moved, who did it, how much was checked, what to do next."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fluxgate.amounts import amount
from fluxgate.compare.facts import WHOLE
from fluxgate.judge.sentences import counted, listed, sentence_case
from fluxgate.report.gate_result import Answer, CaseOutcome, CaseResult, GateResult, Move, Trend
from fluxgate.report.html.answers import Next, Outcome
from fluxgate.report.html.approvals import FILE
from fluxgate.report.report import ReportedGate
from fluxgate.report.rows import Row

OUTCOMES = {
    Answer.SAFE: Outcome("Safe to upgrade", "good", "✓"),
    Answer.DRIFT: Outcome("Safe with drift", "warn", "≈"),
    Answer.NOT_SAFE: Outcome("Not safe", "bad", "✗"),
    Answer.CANNOT_TELL: Outcome("Cannot tell", "warn", "?"),
}
SYMBOLS = {
    CaseOutcome.IDENTICAL: "✓",
    CaseOutcome.DRIFTED: "≈",
    CaseOutcome.FIXED: "✓",
    CaseOutcome.GAINED: "+",
    CaseOutcome.CHANGED: "✗",
    CaseOutcome.BROKEN: "!",
    CaseOutcome.LOST: "–",
    CaseOutcome.UNSTEADY: "?",
    CaseOutcome.CANNOT_RUN: "·",
}
NO_CULPRIT = "--no-culprit"  # the option of `fluxgate gate`
UNINTERESTING = (CaseOutcome.IDENTICAL, CaseOutcome.CANNOT_RUN)
TIERS = {
    "short": "The short tier renders one strategy of each kind; --tier all renders every strategy.",
    "all": "Every strategy was rendered that can run here.",
}


@dataclass(frozen=True)
class MovedCase:
    """A case that is not as the incumbent rendered it, and what became of it in words."""

    case: CaseResult
    symbol: str
    before: Row | None  # as the incumbent rendered it
    after: Row | None

    @property
    def pictures(self) -> str:
        """`3 of 5`: how many pictures moved."""
        case = self.case
        return f"{case.pictures_moved} of {case.pictures_compared}" if case.pictures_compared else ""

    @property
    def peaks(self) -> tuple[str, str]:
        """The peak of memory in both stacks, each empty where it was not measured."""
        peaks = (row.peaks[WHOLE] if row else None for row in (self.before, self.after))
        before, after = ("" if peak is None else amount(peak) for peak in peaks)
        return before, after


@dataclass(frozen=True)
class Blame:
    """Who did it, as far as a gate knows."""

    packages: tuple[Move, ...]
    sentences: tuple[str, ...]
    pin: tuple[str, ...]
    suspects: tuple[Move, ...] = ()


def lead(result: GateResult) -> str:
    """The gate's sentence without the words that the headline has."""
    opening, colon, rest = result.sentence.partition(": ")
    return sentence_case(rest) if colon and opening.lower() == result.answer.value else result.sentence


def moved_cases(gate: ReportedGate, after: Iterable[Row]) -> tuple[MovedCase, ...]:
    """Every case with what became of it, the bad ones first, those that are the same last."""
    old, new = ({row.case_id: row for row in rows} for rows in (gate.incumbent, after))
    ordered = sorted(gate.result.cases, key=lambda one: (not one.is_bad, one.outcome in UNINTERESTING))
    return tuple(
        MovedCase(case, SYMBOLS[case.outcome], old.get(case.case_id), new.get(case.case_id)) for case in ordered
    )


def blame(result: GateResult) -> Blame:
    """The culprit, or why there is none."""
    culprit = result.culprit
    if culprit is None:
        return Blame((), (_why_nobody(result),), ())
    releases = (one.sentence for one in culprit.releases)
    along = filter(None, [result.unasked_blame])
    sentences = (culprit.sentence, *along, *releases, *culprit.unresolved_beside)
    return Blame(culprit.packages, sentences, culprit.pin, culprit.suspects)


def _why_nobody(result: GateResult) -> str:
    if result.failed_stage:
        return f"The candidate failed at '{result.failed_stage}', so no package could be tried alone."
    if result.answer is Answer.NOT_SAFE and NO_CULPRIT in result.command.split():
        return f"The gate ran with {NO_CULPRIT}, so it did not look for the package."
    if result.answer is Answer.NOT_SAFE:
        return "The search for the package did not finish; the same command continues it."
    if result.answer is Answer.CANNOT_TELL:
        return "No package is blamed, since the gate cannot tell."
    return "Nobody: no case moved." if result.answer is Answer.SAFE else "Nobody: nothing moved further than it may."


def tally(result: GateResult) -> tuple[tuple[str, int], ...]:
    """How many cases came to each outcome, in the order in which outcomes are told."""
    counts = Counter(case.outcome for case in result.cases)
    return tuple((outcome.value, counts[outcome]) for outcome in CaseOutcome if counts[outcome])


def compared(result: GateResult) -> tuple[int, int]:
    """How many pictures were compared, and how many of them moved."""
    return sum(case.pictures_compared for case in result.cases), sum(case.pictures_moved for case in result.cases)


def tier(result: GateResult) -> str:
    """What was chosen to be rendered."""
    named = result.tier.split(",")
    were = "was" if len(named) == 1 else "were"
    return TIERS.get(result.tier, f"Only {listed(named)} {were} asked for.")


def next_steps(result: GateResult, *, folder: str) -> Iterator[Next]:
    """What to do now, the most urgent first; folder: of the gate, as its reader would type it."""
    if result.next:
        yield Next(result.next_words, command=result.next_command or None)
    bad = [case.case_id for case in result.cases if case.is_bad]
    if bad:
        others = f" and {counted(len(bad) - 1, 'more case')}" if len(bad) > 1 else ""
        yield Next(f"Look at {bad[0]}{others}.", bad[0])
        approved = shlex.join(["fluxgate", "accept", folder, "--approved", FILE])
        yield Next("If every change is right, approve each case below, and accept the gate.", command=approved)


def turned(case: CaseResult) -> Iterator[str]:
    """What else there is to say of a case: the checks that turned, and memory and seconds that did."""
    if case.checks:
        how = "Fails now and passed before" if case.is_bad else "Failed before and passes now"
        yield f"{how}: {', '.join(case.checks)}."
    if case.moved_by_itself:
        yield f"Given the same inputs, only the {listed(case.moved_by_itself)} moved."
    for figure in (case.memory, case.seconds):
        if figure is not None and figure.trend is not Trend.SAME and figure.reason:
            where = "" if figure.phase == WHOLE else f" of {figure.phase}"
            yield f"{sentence_case(figure.figure)}{where}, {figure.trend}: {figure.reason}."

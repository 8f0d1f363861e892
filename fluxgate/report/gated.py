"""Gated: how much of what there is was answered by measuring, and why the rest was not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from fluxgate.judge.sentences import listed
from fluxgate.judge.verdict import (
    CHECKS,
    FAILED,
    NO_DATA,
    NOT_SELECTED,
    PASSED,
    UNSUPPORTED,
    Verdict,
)

ANSWERED = (PASSED, FAILED)  # crashes and known failures answer for their case: they are often of every check
UNANSWERED = (UNSUPPORTED, NO_DATA, NOT_SELECTED)  # the one that says most about a whole case first
FEW = 3  # up to so many cases are named, more are counted
NEEDED = " is needed"  # what follows in a reason says what for
APPLIES_TO_NONE = "Nothing that it applies to was rendered."


@dataclass(frozen=True)
class Share:
    """How many of how many."""

    gated: int
    total: int


@dataclass(frozen=True)
class Unanswered:
    """What has no answer for one reason: whole cases, or some of their checks."""

    status: str
    reason: str  # one sentence; where data is missing, it says what would provide it
    cases: tuple[str, ...]
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Gated:
    """How much was gated. Every cell without an answer is in one of the four groups."""

    cases: Share
    checks: Share
    subjects: tuple[str, ...]
    cannot_run: tuple[Unanswered, ...]  # whole cases
    not_rendered: tuple[Unanswered, ...]  # whole cases that could have run
    unanswered_checks: tuple[Unanswered, ...]  # checks that no case answers
    unanswered_cells: tuple[Unanswered, ...]  # checks that other cases answer

    @property
    def sentence(self) -> str:
        """`22 of 46 strategies and 9 of 11 checks gated`."""
        cases, checks = self.cases, self.checks
        return f"{cases.gated} of {cases.total} {self.noun} and {checks.gated} of {checks.total} checks gated"

    @property
    def missing(self) -> tuple[str, ...]:
        """What was not gated and why, a sentence each."""
        checks = (f"{quoted(group.checks)}: {group.reason}" for group in self.unanswered_checks)
        return (*self._cannot_run(), *self._not_rendered(), *checks)

    def which(self, group: Unanswered) -> str:
        """`'matches its baseline' of nf4 and fp4`: the cells of a group."""
        return f"{quoted(group.checks)} of {listed(self.names(group.cases))}"

    def names(self, cases: Iterable[str]) -> list[str]:
        """The cases as a reader knows them: where there is one subject, by their strategies."""
        prefix = f"{self.subjects[0]}-" if len(self.subjects) == 1 else ""
        return [case_id.removeprefix(prefix) for case_id in cases]

    @property
    def noun(self) -> str:
        """What the cases are called: where there is one subject, strategies."""
        one, many = ("strategy", "strategies") if len(self.subjects) == 1 else ("case", "cases")
        return one if self.cases.total == 1 else many

    def _cannot_run(self) -> Iterator[str]:
        cases = [case_id for group in self.cannot_run for case_id in group.cases]
        if len(self.cannot_run) == 1:
            yield f"{self._who(cases)} cannot run here: {self.cannot_run[0].reason.rstrip('.')}."
        elif cases:
            by_need: dict[str, list[str]] = {}
            for group in self.cannot_run:
                by_need.setdefault(brief(group.reason), []).extend(self.names(group.cases))
            needs = (f"{need} ({those[0] if len(those) == 1 else len(those)})" for need, those in by_need.items())
            yield f"{self._who(cases)} cannot run here: {', '.join(needs)}; fluxgate list says why."

    def _not_rendered(self) -> Iterator[str]:
        for group in self.not_rendered:
            if group.status == NOT_SELECTED:
                yield f"{self._who(group.cases)} {'was' if len(group.cases) == 1 else 'were'} not selected."
            else:
                yield f"{listed(self.names(group.cases), most=len(group.cases))}: {group.reason}"

    def _who(self, cases: Sequence[str]) -> str:
        """The cases by name where they are few, else how many they are."""
        return listed(self.names(cases)) if len(cases) <= FEW else f"{len(cases)} {self.noun}"


def gated_of(verdicts: Iterable[Verdict], *, rendered: Collection[str] = ()) -> Gated:
    """How much these verdicts answer; `rendered` are the ids of the cases that were."""
    verdicts = tuple(verdicts)
    gated = {verdict.case_id for verdict in verdicts if verdict.status not in UNANSWERED}
    measured = {verdict.check for verdict in verdicts if verdict.status in ANSWERED}
    rendered = gated | set(rendered)
    whole = grouped(_by_case(verdict for verdict in verdicts if verdict.case_id not in rendered))
    cells = [verdict for verdict in verdicts if verdict.case_id in rendered and verdict.status in UNANSWERED]
    of_others = _not_applied(verdicts, rendered) if rendered else ()
    return Gated(
        cases=Share(len(gated), len({verdict.case_id for verdict in verdicts})),
        checks=Share(len(measured), len({verdict.check for verdict in verdicts})),
        subjects=tuple(dict.fromkeys(verdict.subject for verdict in verdicts)),
        cannot_run=tuple(group for group in whole if group.status == UNSUPPORTED),
        not_rendered=tuple(group for group in whole if group.status != UNSUPPORTED),
        unanswered_checks=grouped(verdict for verdict in cells if verdict.check not in measured) + of_others,
        unanswered_cells=grouped(verdict for verdict in cells if verdict.check in measured),
    )


def grouped(verdicts: Iterable[Verdict]) -> tuple[Unanswered, ...]:
    """The verdicts by status and first sentence: the figures that follow it make no other reason."""
    by_reason: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        first, stop, _ = " ".join(verdict.sentence.split()).partition(". ")
        by_reason.setdefault((verdict.status, first + stop.strip()), []).append(verdict)
    return tuple(
        Unanswered(
            status,
            reason,
            cases=tuple(dict.fromkeys(verdict.case_id for verdict in those)),
            checks=tuple(dict.fromkeys(verdict.check for verdict in those)),
        )
        for (status, reason), those in by_reason.items()
    )


def quoted(checks: Iterable[str]) -> str:
    """`'took effect' and 'inventory unchanged'`."""
    return listed((f"'{check}'" for check in checks), most=len(CHECKS))


def brief(reason: str) -> str:
    """What is missing, without why it is needed: `a GPU is needed`."""
    what, needed, _ = reason.partition(": ")[0].partition("; ")[0].rstrip(".").partition(NEEDED)
    return what + needed


def _by_case(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """All verdicts on a case with the status and the sentence of the one that says most about it."""
    by_case: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_case.setdefault(verdict.case_id, []).append(verdict)
    for those in by_case.values():
        most = min(those, key=lambda verdict: UNANSWERED.index(verdict.status))
        yield from (replace(verdict, status=most.status, sentence=most.sentence) for verdict in those)


def _not_applied(verdicts: tuple[Verdict, ...], rendered: Collection[str]) -> tuple[Unanswered, ...]:
    """The checks that apply to none of the cases that were rendered, as one group."""
    applied = {verdict.check for verdict in verdicts if verdict.case_id in rendered}
    others = tuple(dict.fromkeys(verdict.check for verdict in verdicts if verdict.check not in applied))
    return (Unanswered(NOT_SELECTED, APPLIES_TO_NONE, (), others),) if others else ()

"""What a team lead asks first: safe or not, what moved, who did it, how much was checked, what to do next."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import starmap

from fluxgate.cases import Case
from fluxgate.compare.difference import StackChange
from fluxgate.compare.stages import StageDifference
from fluxgate.judge.rerun import pytest_command
from fluxgate.judge.sentences import counted
from fluxgate.judge.suspects import of_difference
from fluxgate.judge.verdict import (
    BASELINE,
    CHECKS,
    CRASHED,
    INVENTORY,
    NO_DATA,
    PASSED,
    PICTURE_CHECKS,
    PROMISE,
    TWICE,
    Verdict,
)
from fluxgate.rendering import CrashKind, Rendering
from fluxgate.report.escaping import first_line
from fluxgate.report.gated import ANSWERED
from fluxgate.report.html.case import command
from fluxgate.report.report import Report


@dataclass(frozen=True)
class Outcome:
    """Safe or not, in a word, a tone and a sign."""

    word: str
    tone: str  # "good", "bad" or "warn"
    sign: str


ENDED_BY: dict[str, str] = {  # kind of crash -> what ended the worker
    CrashKind.EXCEPTION: "an exception",
    CrashKind.OUT_OF_MEMORY: "too little memory",
    CrashKind.CUDA_ERROR: "a CUDA error",
    CrashKind.SIGNAL: "a signal from outside",
    CrashKind.TIMEOUT: "the time limit",
    CrashKind.EXIT: "the worker itself",
    CrashKind.INTERRUPTED: "an interruption",
}
ACCEPTED = (BASELINE, INVENTORY)  # the checks against what was accepted: accepting again answers them
PROMISED = (TWICE, PROMISE)  # those without which nothing is accepted
SAFE = Outcome("Safe, as far as it was checked", "good", "✓")
NOT_SAFE = Outcome("Not safe", "bad", "✗")
CUT_SHORT = Outcome("Cut short", "warn", "!")
NOTHING = Outcome("Nothing was measured", "warn", "?")


@dataclass(frozen=True)
class Moved:
    """A case that is not as it should be."""

    case_id: str
    checks: tuple[str, ...]  # that failed; none for a crash, which is about them all
    status: str
    sentence: str  # the first of the first check's verdict


@dataclass(frozen=True)
class Suspicion:
    """Whom what moved points to."""

    who: str
    where: str
    cases: tuple[str, ...]


@dataclass(frozen=True)
class Checked:
    """A check, and of how many cases it was answered."""

    check: str
    passed: int
    answered: int
    total: int


@dataclass(frozen=True)
class Next:
    """One thing to do: in words, where on the page, and what to run."""

    words: str
    case_id: str | None = None
    command: str | None = None


def outcome(report: Report) -> Outcome:
    """Safe or not."""
    if report.failures:
        return NOT_SAFE
    if report.cut_short:
        return CUT_SHORT
    return SAFE if report.measured else NOTHING


def moved(report: Report) -> tuple[Moved, ...]:
    """What moved, case by case: first those whose pictures did, then other failed checks, then crashes."""
    by_case: dict[str, list[Verdict]] = {}
    for verdict in report.failures:
        by_case.setdefault(verdict.case_id, []).append(verdict)
    return tuple(sorted(starmap(_moved, by_case.items()), key=_urgency))


def _moved(case_id: str, failures: list[Verdict]) -> Moved:
    first, *_ = failures
    checks = () if first.status == CRASHED else tuple(verdict.check for verdict in failures)
    return Moved(case_id, checks, first.status, first_line(first.sentence))


def _urgency(one: Moved) -> tuple[bool, bool]:
    return one.status == CRASHED, not set(one.checks) & set(PICTURE_CHECKS)


def suspicions(
    failures: Iterable[Verdict], renderings: Mapping[str, Rendering], cases: Mapping[str, Case]
) -> tuple[Suspicion, ...]:
    """The libraries at work where the cases left what was expected; those that most cases point to first. Hooks that
    move weights are suspected where every case that left there has them."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for verdict in sorted(failures, key=lambda verdict: verdict.status == CRASHED):
        for who, without_hooks, where in _suspicion(
            verdict, renderings.get(verdict.case_id), cases.get(verdict.case_id)
        ):
            found.setdefault((without_hooks, where), []).append((who, verdict.case_id))
    ordered = sorted(found.items(), key=lambda entry: -len(entry[1]))
    return tuple(
        Suspicion(
            without_hooks if any(who == without_hooks for who, _ in those) else those[0][0],
            where,
            tuple(dict.fromkeys(case_id for _, case_id in those)),
        )
        for (without_hooks, where), those in ordered
    )


def _suspicion(verdict: Verdict, rendering: Rendering | None, case: Case | None) -> Iterator[tuple[str, str, str]]:
    """Who it was, who if no hook that moves weights had any part in it, and where."""
    if verdict.status == CRASHED and rendering and rendering.crash:
        crash = rendering.crash
        who = ENDED_BY.get(crash.kind, crash.kind)
        yield who, who, f"during {crash.phase}" if crash.phase else "before it began"
    elif verdict.stage and rendering and case:
        gone = StageDifference("", verdict.stage, None, None)
        named = partial(of_difference, gone, subject=case.subject, inventory=rendering.inventory)
        yield named(), named(hooks_cleared=True), f"at the {verdict.stage}"
    elif verdict.suspects:
        yield verdict.suspects, verdict.suspects, f"seen by '{verdict.check}'"


def suspected_first(changes: Iterable[StackChange], suspicions: Iterable[Suspicion]) -> tuple[StackChange, ...]:
    """The libraries that are not those of what was accepted, those first that something points to."""
    suspected = {word for one in suspicions for word in re.findall(r"[\w-]+", one.who)}
    return tuple(sorted(changes, key=lambda change: change.library not in suspected))


def checked(verdicts: Iterable[Verdict]) -> tuple[Checked, ...]:
    """How often each check was answered, and how often well."""
    every: dict[str, list[str]] = {}
    for verdict in verdicts:
        every.setdefault(verdict.check, []).append(verdict.status)
    return tuple(
        Checked(
            check,
            statuses.count(PASSED),
            sum(status in ANSWERED for status in statuses),
            len(statuses),
        )
        for check in CHECKS
        if (statuses := every.get(check))
    )


def next_steps(report: Report, cases: Mapping[str, Case]) -> Iterator[Next]:
    """What to do now, the most urgent first."""
    missing = report.cut_short.missing if report.cut_short else ()
    if missing:
        words = f"Render the {counted(len(missing), 'case')} that the run did not reach."
        yield Next(words, command=_render(cases[case_id] for case_id in missing if case_id in cases))
    yield from _to_look_at(moved(report), cases)
    yield from _to_accept(report)
    left_out = [case_id for group in report.gated.not_rendered for case_id in group.cases]
    if left_out and not report.failures and not report.cut_short:
        words = f"Render the {counted(len(left_out), 'case')} that this run left out."
        yield Next(words, command=_render_all(cases[case_id] for case_id in left_out if case_id in cases))


def _to_look_at(moved: Iterable[Moved], cases: Mapping[str, Case]) -> Iterator[Next]:
    wrong = [one.case_id for one in moved]
    if wrong:
        others = f" and {counted(len(wrong) - 1, 'more case')}" if len(wrong) > 1 else ""
        yield Next(f"Look at {wrong[0]}{others}.", wrong[0])
        yield Next("Repeat that case alone.", command=command(wrong[0], cases.get(wrong[0])))


def _to_accept(report: Report) -> Iterator[Next]:
    """What makes of the run, or of a case of it, that which later ones are held against; or that there is nothing."""
    folder = report.run.folder if report.run else "RUN"
    changed = [one.case_id for one in moved(report) if _can_be_accepted(one)]
    rows = [row for table in report.tables.values() for row in table]
    new = sum(row.statuses.get(BASELINE) == NO_DATA for row in rows)
    if new and not report.cut_short:
        have = "has" if new == 1 else "have"
        who = "There is no baseline" if new == len(rows) else f"{counted(new, 'case')} {have} no baseline"
        yield Next(f"{who} yet: look at the pictures and, if they are right, accept them.", command=_accept(folder))
    elif changed:
        yield Next("If the change is right, accept it.", command=_accept(folder, *changed[:1]))
    elif report.measured and not (report.failures or report.cut_short or report.gated.not_rendered):
        yield Next("Nothing: all that was checked is as it should be.")


def _can_be_accepted(one: Moved) -> bool:
    """Whether it is not as it was accepted, and keeps its promise all the same."""
    return bool(set(one.checks) & set(ACCEPTED)) and not set(one.checks) & set(PROMISED)


def _accept(folder: str, *only: str) -> str:
    chosen = [f"--only={case_id}" for case_id in only]
    return shlex.join(["fluxgate", "accept", folder, *chosen])


def _render_all(cases: Iterable[Case]) -> str | None:
    """All that there is of their subjects."""
    subjects = ",".join(dict.fromkeys(case.subject.name for case in cases))
    return pytest_command(subject=subjects) if subjects else None


def _render(cases: Iterable[Case]) -> str | None:
    cases = tuple(cases)
    subjects = ",".join(dict.fromkeys(case.subject.name for case in cases))
    strategies = ",".join(dict.fromkeys(case.strategy.name for case in cases))
    return pytest_command(subject=subjects, strategy=strategies) if cases else None

"""The report on a run: one value with everything that is shown of it, whoever shows it."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fluxgate.amounts import amount
from fluxgate.cases import Case
from fluxgate.judge.sentences import counted, listed
from fluxgate.judge.verdict import (
    CHECKS,
    CRASHED,
    FAILED,
    IMPORTS,
    KNOWN_FAILURE,
    LIBRARY_CHECKS,
    NEW_WARNINGS,
    PASSED,
    STATUSES,
    Verdict,
)
from fluxgate.machine import Machine, Stack
from fluxgate.refusal import Refusal
from fluxgate.rendering import Rendering
from fluxgate.report.cards import cards_of
from fluxgate.report.gate_result import GateResult
from fluxgate.report.gated import Gated, gated_of
from fluxgate.report.published_settings import PublishedSettings, published_settings
from fluxgate.report.rows import Row, rows_of
from fluxgate.runs import run as runs
from fluxgate.runs.plan import read_plan
from fluxgate.runs.run import Run

SCHEMA = 2  # of the report as JSON; in 1, `run` was its id, and `vram_limit` stood beside it


@dataclass(frozen=True)
class CutShort:
    """How far a run came that did not come to its end."""

    rendered: int  # cases
    asked: int | None  # cases; None where the run does not say
    missing: tuple[str, ...] = ()  # the cases that were asked for and not rendered

    @property
    def sentence(self) -> str:
        were = "was" if 1 in (self.rendered, self.asked) else "were"
        if self.asked is not None:
            return f"This run was cut short: {self.rendered} of {counted(self.asked, 'case')} {were} rendered."
        return f"This run was cut short: {counted(self.rendered, 'case')} {were} rendered, of an unknown number."


@dataclass(frozen=True)
class ReportedRun:
    """The run that a report is on."""

    id: str
    folder: str  # as its reader would type it
    command: str
    commit: str | None  # of Fluxgate
    started: str  # UTC, ISO 8601
    finished: str | None
    vram_limit: int | None = None  # bytes of each GPU that every case was held to
    at_once: int = 1  # cases that could share a device; seconds tell something where it is 1
    cut_short: CutShort | None = None

    @property
    def conditions(self) -> tuple[str, ...]:
        """What its cases had to work with, where that is not all of the machine."""
        held = f"Every case was held to {amount(self.vram_limit)} of each GPU." if self.vram_limit is not None else ""
        shared = f"Up to {self.at_once} cases shared a device at once, so seconds were not judged."
        return tuple(filter(None, (held, shared if self.at_once > 1 else "")))

    @property
    def seconds(self) -> float | None:
        """How long it took; None for one that never finished, and for times that are none."""
        with suppress(ValueError, TypeError):
            if self.finished is not None:
                start, end = map(datetime.datetime.fromisoformat, (self.started, self.finished))
                return (end - start).total_seconds()
        return None


@dataclass(frozen=True)
class Measured:
    """What a run has beside verdicts."""

    renderings: Mapping[str, Rendering] = field(default_factory=dict)
    cards: Mapping[str, int] = field(default_factory=dict)  # case -> GB of the smallest card that it was seen to run on
    settings: tuple[PublishedSettings, ...] = ()


@dataclass(frozen=True)
class ReportedGate:
    """The gate that a report is on."""

    result: GateResult
    incumbent: tuple[Row, ...]  # its cases as the incumbent rendered them


@dataclass(frozen=True)
class Report:
    """Everything that is shown of a run, or of a gate. The fields are the report as JSON; the properties select."""

    run: ReportedRun | None  # None where nothing was rendered; of a gate, the gate itself
    machine: Machine
    stack: Stack
    headline: str
    gated: Gated
    counts: dict[str, int]  # status -> verdicts, for the statuses that occur
    cases: tuple[Row, ...]
    settings: tuple[PublishedSettings, ...]  # what the settings of a published guide changed
    verdicts: tuple[Verdict, ...]
    gate: ReportedGate | None = None
    schema: int = SCHEMA

    @property
    def tables(self) -> dict[str, list[Row]]:
        """Subject -> its rows, without the cases that were not rendered."""
        groups = (*self.gated.cannot_run, *self.gated.not_rendered)
        left_out = {case_id for group in groups for case_id in group.cases}
        tables: dict[str, list[Row]] = {}
        for row in self.cases:
            if row.case_id not in left_out:
                tables.setdefault(row.subject, []).append(row)
        return tables

    @property
    def libraries(self) -> list[Verdict]:
        """What was asked of libraries by themselves."""
        return [verdict for verdict in self.verdicts if verdict.check in LIBRARY_CHECKS]

    @property
    def failures(self) -> list[Verdict]:
        """What must be looked at; a crash once for its case."""
        return failures(self.verdicts)

    @property
    def cut_short(self) -> CutShort | None:
        """How far the run came, if it did not come to its end."""
        return self.run.cut_short if self.run else None

    @property
    def measured(self) -> bool:
        """Whether a single check was answered by looking at something."""
        return measured_anything(self.verdicts)

    @property
    def known_failures(self) -> list[Verdict]:
        """A known failure once for its case, though it may be of every check."""
        firsts: dict[tuple[str, str], Verdict] = {}
        for verdict in self.verdicts:
            if verdict.status == KNOWN_FAILURE:
                firsts.setdefault((verdict.case_id, verdict.sentence.partition("\n")[0]), verdict)
        return list(firsts.values())

    @property
    def warned(self) -> list[Verdict]:
        """What passed, and told of warnings that are new."""
        return [verdict for verdict in self.verdicts if verdict.status == PASSED and NEW_WARNINGS in verdict.numbers]

    @property
    def versions(self) -> dict[str, str]:
        """Of everything between the hardware and the pictures, the lowest layer first."""
        machine = self.machine
        cuda = machine.cuda if machine.device == "cuda" else None  # a torch built for it says nothing of a CPU
        layers = {"driver": machine.driver, "CUDA": cuda, "Python": machine.python, "torch": machine.torch}
        return {**{name: version for name, version in layers.items() if version}, **self.stack}


def verdicts_of(run: Run) -> tuple[Verdict, ...] | None:
    """The verdicts that a run was left with; None for one that has not been judged."""
    path = run.folder / runs.VERDICTS
    if not path.exists():
        return None
    verdicts = run.read_json(runs.VERDICTS, tuple[Verdict, ...])
    for verdict in verdicts:
        for word, words in ((verdict.status, STATUSES), (verdict.check, CHECKS + LIBRARY_CHECKS)):
            if word not in words:
                raise Refusal(f"{path} has {word[:60]!r}, which is none of {listed(words, most=len(words))}.")
    return verdicts


def report_on(run: Run, verdicts: Iterable[Verdict], cases: Iterable[Case], *, folder: Path | None = None) -> Report:
    """The report on a run in its folder; on a GPU, the runs beside it say on which cards a case was seen to run.

    `cases` is the whole matrix; `folder` is where its reader finds the run, if that is not the run's own path."""
    verdicts, rendered = tuple(verdicts), run.ended_cases()
    renderings = {case_id: one.rendering for case_id, one in rendered.items()}
    measured = Measured(renderings, cards_of(run), published_settings(rendered, verdicts))
    reported = ReportedRun(
        id=run.id,
        folder=str(folder or run.folder),
        command=run.command,
        commit=run.commit,
        started=run.facts.started,
        finished=run.finished,
        vram_limit=run.vram_limit,
        at_once=max((one.at_once for one in renderings.values()), default=1),
        cut_short=_cut_short(run, renderings),
    )
    return compile_report(reported, verdicts, cases, machine=run.machine, stack=run.stack, measured=measured)


def compile_report(
    run: ReportedRun | None,
    verdicts: Iterable[Verdict],
    cases: Iterable[Case],
    *,
    machine: Machine,
    stack: Stack,
    measured: Measured = Measured(),
) -> Report:
    """The report out of what was read, or on a session that rendered nothing."""
    verdicts = tuple(verdicts)
    gated = gated_of((one for one in verdicts if one.check not in LIBRARY_CHECKS), rendered=measured.renderings)
    matrix = {case.id: case for case in cases}
    statuses = Counter(verdict.status for verdict in verdicts)
    return Report(
        run=run,
        machine=machine,
        stack=stack,
        headline=" ".join([*([run.cut_short.sentence] if run and run.cut_short else []), _outcome(gated, verdicts)]),
        gated=gated,
        counts={status: statuses[status] for status in STATUSES if statuses[status]},
        cases=rows_of(verdicts, measured.renderings, cases=matrix, cards=measured.cards),
        settings=measured.settings,
        verdicts=verdicts,
    )


def _cut_short(run: Run, renderings: Mapping[str, Rendering]) -> CutShort | None:
    """How far a run came; None for one that came to its end."""
    if run.finished:
        return None
    plan = read_plan(run)
    due = plan.due if plan else None
    done = set(renderings)
    missing = tuple(case_id for case_id in due or () if case_id not in done)
    return CutShort(len(done), None if due is None else len(done.union(due)), missing)


def _outcome(gated: Gated, verdicts: tuple[Verdict, ...]) -> str:
    """`22 of 46 strategies and 9 of 11 checks gated: 2 checks failed, 1 case crashed.`"""
    not_imported = next((verdict for verdict in verdicts if verdict.check == IMPORTS), None)
    if not_imported is not None:
        return not_imported.sentence
    wrong = Counter(verdict.status for verdict in failures(verdicts))
    known_failures = len({verdict.case_id for verdict in verdicts if verdict.status == KNOWN_FAILURE})
    parts = [f"{counted(wrong[FAILED], 'check')} failed"] if wrong[FAILED] else []
    parts += [f"{counted(wrong[CRASHED], 'case')} crashed"] if wrong[CRASHED] else []
    if not parts and not measured_anything(verdicts):
        return f"{gated.sentence}: nothing was measured."
    parts = parts or ["no failures"]
    parts += [f"{counted(known_failures, 'case')} with known failures"] if known_failures else []
    return f"{gated.sentence}: {', '.join(parts)}."


def failures(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """What must be looked at: failed and crashed, a crash once for its case."""
    crashed: set[str] = set()
    wrong = []
    for verdict in verdicts:
        if verdict.status == FAILED or (verdict.status == CRASHED and verdict.case_id not in crashed):
            wrong.append(verdict)
        if verdict.status == CRASHED:
            crashed.add(verdict.case_id)
    return wrong


def measured_anything(verdicts: Iterable[Verdict]) -> bool:
    """Whether a single check was answered by looking at something: of a case, where cases were asked about at all."""
    verdicts = tuple(verdicts)
    of_cases = tuple(verdict for verdict in verdicts if verdict.check not in LIBRARY_CHECKS)
    return any(verdict.status in (PASSED, FAILED, KNOWN_FAILURE) for verdict in of_cases or verdicts)

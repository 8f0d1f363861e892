"""The report on a gate: one verdict for each case, on the candidate's rendering held against the incumbent's."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from fluxgate.compare.measures import MAXIMUM_DIFFERENCE, SSIM
from fluxgate.judge.verdict import FAILED, INCUMBENT, NO_DATA, PASSED, UNSUPPORTED, Verdict
from fluxgate.machine import GATED, Stack
from fluxgate.report.gate_folder import run_of
from fluxgate.report.gate_result import CANDIDATE, STACKS, CaseOutcome, CaseResult, GateResult
from fluxgate.report.report import Measured, Report, ReportedGate, ReportedRun, compile_report
from fluxgate.report.rows import rows_of
from fluxgate.runs.plan import cases_of
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run

STATUS = {
    CaseOutcome.IDENTICAL: PASSED,
    CaseOutcome.DRIFTED: PASSED,
    CaseOutcome.FIXED: PASSED,
    CaseOutcome.GAINED: PASSED,
    CaseOutcome.CHANGED: FAILED,
    CaseOutcome.BROKEN: FAILED,
    CaseOutcome.LOST: FAILED,
    CaseOutcome.UNSTEADY: NO_DATA,
    CaseOutcome.CANNOT_RUN: UNSUPPORTED,
}

Both = Mapping[str, Mapping[str, Rendered]]  # "incumbent", "candidate" -> case -> what it gave


def report_on_gate(result: GateResult, folder: Path) -> Report:
    """The report on a gate, given its folder; the runs of both stacks lie where its result says."""
    both = rendered_in_both(result, folder)
    verdicts = tuple(_verdict(case, both, folder) for case in result.cases)
    candidate = run_of(result, CANDIDATE, gate=folder)
    cases = {case.id: case for case in cases_of(candidate)} if candidate else {}
    before, after = ({name: one.rendering for name, one in both[stack].items()} for stack in STACKS)
    report = compile_report(
        _reported(result, folder),
        verdicts,
        cases.values(),
        machine=result.machine,
        stack=_gated(result.candidate),
        measured=Measured(after),
    )
    incumbent = rows_of(verdicts, before, cases=cases, cards={})
    return replace(report, headline=result.sentence, gate=ReportedGate(result, incumbent))


def rendered_in_both(result: GateResult, folder: Path) -> Both:
    """What both stacks rendered of the gate's cases; a stack that was not made rendered nothing."""
    runs = {stack: run_of(result, stack, gate=folder) for stack in STACKS}
    return {stack: _rendered(run, result) if run else {} for stack, run in runs.items()}


def _rendered(run: Run, result: GateResult) -> dict[str, Rendered]:
    """A stack's run may have cases of other gates, too."""
    every = run.rendered_cases()
    return {case.case_id: every[case.case_id] for case in result.cases if case.case_id in every}


def _verdict(case: CaseResult, both: Both, folder: Path) -> Verdict:
    where = f"; first at the {case.stage}" if case.stage else ""
    numbers = {SSIM: case.least_ssim, MAXIMUM_DIFFERENCE: case.largest_difference}
    return Verdict(
        subject=case.subject,
        strategy=case.strategy,
        check=INCUMBENT,
        status=STATUS[case.outcome],
        sentence=f"{case.reason}."
        if case.outcome is CaseOutcome.CANNOT_RUN
        else f"{case.outcome}: {case.reason}{where}.",
        numbers={name: value for name, value in numbers.items() if value is not None},
        pictures=dict(_pictures(case, both, folder)),
        stage=case.stage,
    )


def _pictures(case: CaseResult, both: Both, folder: Path) -> Iterator[tuple[str, str]]:
    """The first picture that moved, in both stacks, as seen from the gate's folder."""
    before, after = (both[stack].get(case.case_id) for stack in STACKS)
    if before is None or after is None:
        return
    old, new = before.rendering.pictures_of(), after.rendering.pictures_of()
    moved = (key for key, one in new.items() if key in old and old[key].sha256 != one.sha256 and key[0] in case.shots)
    for key in list(moved)[:1]:
        yield "expected", os.path.relpath(before.folder / old[key].file, folder)
        yield "actual", os.path.relpath(after.folder / new[key].file, folder)


def _reported(result: GateResult, folder: Path) -> ReportedRun:
    return ReportedRun(
        id=result.id,
        folder=str(folder),
        command=result.command,
        commit=None,
        started=result.started,
        finished=_finished(result),
    )


def _finished(result: GateResult) -> str | None:
    """When it came to its end; None where nobody noted how long it took."""
    with suppress(ValueError, OverflowError):
        if result.seconds:
            took = datetime.timedelta(seconds=sum(result.seconds.values()))
            return (datetime.datetime.fromisoformat(result.started) + took).isoformat(timespec="seconds")
    return None


def _gated(packages: Mapping[str, str]) -> Stack:
    """Of a whole stack, the libraries that are being tested, under the names that runs have for them."""
    by_name = {name.replace("_", "-"): version for name, version in packages.items()}
    return {name: by_name[canonical] for name in GATED if (canonical := name.replace("_", "-")) in by_name}

"""The judge of a whole run, long after its pipelines are gone: no torch, no GPU, only what the folder holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fluxgate.cases import Case, matrix
from fluxgate.judge.gathering import Standards, judge_cases
from fluxgate.judge.verdict import Verdict
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run
from fluxgate.strategies.promise import Strategy
from fluxgate.subjects.subject import Subject


def judge_run(
    run: Run, *, subjects: Iterable[Subject], strategies: Iterable[Strategy], standards: Standards
) -> tuple[Verdict, ...]:
    """A verdict for every subject × strategy × check; what failed is drawn into the run's folder."""
    renderings = run.renderings()
    found = {case_id: Rendered(rendering, run.case_folder(case_id)) for case_id, rendering in renderings.items()}
    cases = [_as_rendered(case, found) for case in cases_of(run, subjects=subjects, strategies=strategies)]
    return judge_cases(cases, found.get, standards, run=run.folder)


def cases_of(run: Run, *, subjects: Iterable[Subject], strategies: Iterable[Strategy]) -> tuple[Case, ...]:
    """The matrix as it was on the run's machine and stack."""
    return matrix(subjects, strategies, machine=run.machine, stack=run.stack)


def _as_rendered(case: Case, found: dict[str, Rendered]) -> Case:
    """What was rendered is judged, whatever would be said of it today."""
    return replace(case, unsupported=None) if case.id in found else case

"""Judging: what the cases of a session, or of a run long after it, are held to, and a verdict for every cell."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from fluxgate.baselines import integrity, known_failures, local_copy
from fluxgate.baselines.store import Store
from fluxgate.cases import Case
from fluxgate.history.earlier_runs import earlier_runs
from fluxgate.judge import libraries
from fluxgate.judge.applicable import checks_of
from fluxgate.judge.gathering import judge_cases
from fluxgate.judge.sentences import again
from fluxgate.judge.standards import BaselineUse, Standards, known_failures_of
from fluxgate.judge.verdict import NO_DATA, NOT_SELECTED, UNSUPPORTED, Verdict
from fluxgate.machine import Machine, Stack, releases_of
from fluxgate.rendering import id_of_case
from fluxgate.report.illustration import illustrate
from fluxgate.runs.plan import cases_of, read_plan
from fluxgate.runs.run import Run
from fluxgate.session.choice import Choice
from fluxgate.strategies.available import strategies
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import numbers_at_hand


def standards_of(choice: Choice) -> Standards:
    """What the renderings of a session are held to."""
    return Standards(
        choice.machine,
        choice.stack,
        store=choice.baselines,
        known_failures=choice.known_failures,
        baseline_use=choice.baseline_use,
        numbers_on_disk=numbers_at_hand,
        paces=earlier_runs(choice.runs, choice.machine.id, vram_limit=choice.vram_limit).paces,
    )


def every_verdict(
    cases: Iterable[Case],
    verdicts: Mapping[tuple[str, str], Verdict],  # by case and check
    *,
    asked: Collection[str],  # ids of cases
    cut_short: bool,
) -> tuple[Verdict, ...]:
    """One for every cell of subject × strategy × check that applies: the given ones, and a word for each other cell."""
    return tuple(
        verdicts.get((case.id, check)) or _unjudged(case, check, asked=case.id in asked, cut_short=cut_short)
        for case in cases
        for check in checks_of(case)
    )


def _unjudged(case: Case, check: str, *, asked: bool, cut_short: bool) -> Verdict:
    status, sentence = NOT_SELECTED, "It was not selected in this session."
    if asked and case.unsupported is not None:
        status, sentence = UNSUPPORTED, case.unsupported
    elif asked and cut_short:
        status, sentence = NO_DATA, f"The run was cut short before it was rendered. Run {again(case)}."
    return Verdict(case.subject.name, case.strategy.name, check, status, sentence)


def judge_run(run: Run, *, baselines: Path, baseline_use: BaselineUse = BaselineUse.IF_ANY) -> tuple[Verdict, ...]:
    """The verdicts on a whole run, long after its pipelines are gone: no torch, no GPU, only what the folder holds."""
    renderings = run.ended_cases()
    names = {one.rendering.subject for one in renderings.values()}
    store = local_copy.store_at(baselines, machine=run.machine.id, subjects=names)
    accepted = baseline_use is not BaselineUse.IGNORED
    integrity.refuse_damaged(store, machine=run.machine.id, subjects=names, accepted=accepted)
    plan = read_plan(run)
    # What was rendered is judged, whatever would be said of it today.
    cases = [replace(case, unsupported=None) if case.id in renderings else case for case in cases_of(run)]
    standards = Standards(
        run.machine,
        run.stack,
        store=store,
        known_failures=known_failures_of(store, subjects={*subjects(), *(case.subject.name for case in cases)}),
        baseline_use=baseline_use,
        numbers_on_disk=numbers_at_hand,
        paces=earlier_runs(run.folder.parent, run.machine.id, than=run.id, vram_limit=run.vram_limit).paces,
    )
    judged = [case for case in cases if case.id in renderings]
    verdicts = illustrate(judge_cases(judged, renderings.get, standards, run=run.folder), run.folder)
    every = every_verdict(
        cases,
        {(verdict.case_id, verdict.check): verdict for verdict in verdicts},
        asked={case.id for case in cases} if plan is None else plan.asked,
        cut_short=run.finished is None,
    )
    return (*libraries.verdicts_in(run), *every)


def complaints(choice: Choice) -> tuple[str, ...]:
    """What must be looked at again among the baselines and the known failures, whatever is rendered."""
    return _complaints(choice.baselines, machine=choice.machine, stack=choice.stack, subjects=subjects())


def complaints_beside(run: Run, *, baselines: Path) -> tuple[str, ...]:
    """The same, where a run is judged that may have other subjects than today's."""
    own = {case.subject.name: case.subject for case in cases_of(run)}
    store = local_copy.store_at(baselines, machine=run.machine.id, subjects=own)
    return _complaints(store, machine=run.machine, stack=run.stack, subjects={**own, **subjects()})


def _complaints(store: Store, *, machine: Machine, stack: Stack, subjects: Mapping[str, Subject]) -> tuple[str, ...]:
    """Of one's own baselines and known failures: nobody can change what ships, so nobody is asked to."""
    today = datetime.datetime.now(datetime.UTC).date()
    cases = {id_of_case(subject, strategy.name) for subject in subjects for strategy in strategies()}
    own = known_failures.read(known_failures.own_file(store))
    installed = releases_of(machine, stack)
    outdated = known_failures.complaints(own, device=machine.device, stack=installed, today=today)
    return outdated + integrity.complaints(store, cases=cases, subjects=subjects)

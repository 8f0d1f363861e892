"""Gathering: the evidence for a case, out of its run and of what is kept from earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines import known_failures, limits
from fluxgate.baselines.baseline import Baseline
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.store import Store
from fluxgate.cases import Case
from fluxgate.judge.case import judge_case
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import CHECKS, Verdict
from fluxgate.machine import Machine, Stack
from fluxgate.rendering import Rendering
from fluxgate.runs.rendered import Rendered
from fluxgate.subjects.subject import Subject

RenderedBy = Callable[[str], Rendered | None]  # case id -> what it gave in this run, if it is there
# A rendering and the name of its reference -> phase -> the pace of the same case in earlier runs, oldest first.
Paces = Callable[[Rendering, str | None], Mapping[str, tuple[float, ...]]]


@dataclass(frozen=True)
class Standards:
    """What the cases of a run are held against besides each other."""

    machine: Machine
    stack: Stack
    store: Store | None = None
    known: tuple[KnownFailure, ...] = ()
    require_baseline: bool = False
    no_baseline: bool = False  # the stack is another one than was accepted: only promises within the run are asked for
    on_disk: Callable[[Subject], Mapping[str, int]] = field(default=lambda subject: {})  # component -> numbers
    paces: Paces = field(default=lambda rendering, reference: {})


def gather(case: Case, rendered: RenderedBy, standards: Standards, *, run: Path | None = None) -> Evidence:
    """All that the judge of this case may look at; renderings of other cases are asked for by their id."""
    subject, promise = case.subject, case.strategy.promise
    mine = rendered(case.id) if case.unsupported is None else None
    if mine is None or mine.rendering.crash is not None:
        return Evidence(case, mine, known=_known(case, standards), run=run)
    return Evidence(
        case,
        mine,
        reference=rendered(f"{subject.name}-{promise.reference}") if promise.reference else None,
        yardstick=rendered(f"{subject.name}-{promise.less_memory_than}") if promise.less_memory_than else None,
        baseline=None if standards.no_baseline else _accepted(case, standards),
        limits=_limits(case, standards),
        known=_known(case, standards),
        require_baseline=standards.require_baseline,
        no_baseline=standards.no_baseline,
        on_disk=standards.on_disk(subject),
        history=standards.paces(mine.rendering, promise.reference),
        run=run,
    )


def _limits(case: Case, standards: Standards) -> limits.CaseLimits:
    if standards.store is None:
        return limits.CaseLimits()
    place, strategy, accepted = standards.machine.id, case.strategy.name, not standards.no_baseline
    return limits.for_case(standards.store, place, case.subject, strategy, accepted=accepted)


def _accepted(case: Case, standards: Standards) -> Baseline | None:
    store = standards.store
    return baselines.find(store, standards.machine.id, case.subject.name, case.strategy.name) if store else None


def judge_cases(
    cases: Iterable[Case], rendered: RenderedBy, standards: Standards, *, run: Path | None = None
) -> tuple[Verdict, ...]:
    """The verdicts of all cases, in order. They name pictures of differences, which are still to be drawn."""
    return tuple(verdict for case in cases for verdict in judge_case(gather(case, rendered, standards, run=run)))


def _known(case: Case, standards: Standards) -> dict[str, KnownFailure]:
    found = {
        check: known_failures.expected(
            standards.known, (case.subject.name, case.strategy.name, check), device=case.device, stack=standards.stack
        )
        for check in CHECKS
    }
    return {check: entry for check, entry in found.items() if entry is not None}

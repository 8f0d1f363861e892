"""Gathering: the evidence for a case, out of its run and of what it is held to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines import case_limits, known_failures
from fluxgate.baselines.baseline import Baseline
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.limits import FLOAT32, CaseLimits
from fluxgate.cases import Case
from fluxgate.judge.applicable import checks_of
from fluxgate.judge.case import judge_case
from fluxgate.judge.checks import ceilings, speed
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.standards import BaselineUse, Standards
from fluxgate.judge.usual_work import usual_of
from fluxgate.judge.verdict import Verdict
from fluxgate.machine import releases_of
from fluxgate.refusal import Refusal
from fluxgate.rendering import Rendering, id_of_case
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import rendered_once_more

RenderedBy = Callable[[str], Rendered | None]  # case id -> what it gave in this run, if it is there


def judge_cases(
    cases: Iterable[Case], rendered: RenderedBy, standards: Standards, *, run: Path | None = None
) -> tuple[Verdict, ...]:
    """The verdicts of all cases, in order. They name pictures of differences, which are still to be drawn."""
    return tuple(verdict for case in cases for verdict in judge_case(gather(case, rendered, standards, run=run)))


def gather(case: Case, rendered: RenderedBy, standards: Standards, *, run: Path | None = None) -> Evidence:
    """All that the judge of this case may look at; renderings of other cases are asked for by their id."""
    promise, ours = case.strategy.promise, rendered(case.id) if case.unsupported is None else None

    def of(strategy: str | None) -> Rendered | None:
        return rendered(id_of_case(case.subject.name, strategy)) if strategy else None

    if ours is None or ours.rendering.crash is not None:
        theirs = of(promise.reference) if ours is not None else None
        crashed = theirs if theirs is not None and theirs.rendering.crash is not None else None
        return Evidence(case, ours, reference=crashed, known_failures=_known_failures(case, standards), run=run)
    return Evidence(
        case,
        ours,
        once_more=rendered_once_more(ours),
        reference=of(promise.reference),
        memory_reference=of(promise.less_memory_than),
        baseline=_accepted(case, case.strategy.name, standards),
        reference_baseline=_accepted(case, promise.reference, standards),
        float32=_whole(of(FLOAT32)),
        float32_baseline=_accepted(case, FLOAT32, standards),
        limits=_limits(case, standards),
        known_failures=_known_failures(case, standards),
        baseline_use=standards.baseline_use,
        numbers_on_disk=standards.numbers_on_disk(case.subject),
        paces=standards.paces(ours.rendering, promise.reference),
        usual_work=usual_of(case, ours.rendering, standards.machine),
        run=run,
        machine=standards.machine.id,
    )


def needs_float32(case: Case, rendering: Rendering, standards: Standards) -> bool:
    """Whether its pictures are not those accepted for this machine: float32 must tell whether rounding did it."""
    if case.strategy.name == FLOAT32 or rendering.crash is not None:
        return False
    try:
        accepted = _accepted(case, case.strategy.name, standards)
    except Refusal:  # whoever judges the case says what is wrong with its baseline
        return False
    if accepted is None or accepted.portable:
        return False
    known = {(one.shot, one.index): one for one in accepted.case.shots}
    return any(key in known and not known[key].holds(one.sha256) for key, one in rendering.pictures_of().items())


def needs_confirmation(
    case: Case, rendered: Rendered, standards: Standards, *, reference: Rendered | None = None
) -> bool:
    """Whether its memory or its seconds are not what was accepted: another rendering must tell whether that was chance.

    reference: what the case's reference gave in the same run, if it is there."""
    if rendered.rendering.crash is not None:
        return False
    try:
        evidence = Evidence(
            case,
            rendered,
            reference=_whole(reference),
            baseline=_accepted(case, case.strategy.name, standards),
            limits=_limits(case, standards),
            paces=standards.paces(rendered.rendering, case.strategy.promise.reference),
        )
        return ceilings.is_beyond(evidence) or speed.is_slow(evidence)
    except Refusal:  # whoever judges the case says what is wrong with its baseline
        return False


def _whole(rendered: Rendered | None) -> Rendered | None:
    return rendered if rendered is not None and rendered.rendering.crash is None else None


def _accepted(case: Case, strategy: str | None, standards: Standards) -> Baseline | None:
    if strategy is None or standards.store is None or standards.baseline_use is BaselineUse.IGNORED:
        return None
    return baselines.find(standards.store, standards.machine.id, case.subject.name, strategy)


def _limits(case: Case, standards: Standards) -> CaseLimits:
    if standards.store is None:
        return CaseLimits()
    accepted = standards.baseline_use is not BaselineUse.IGNORED
    return case_limits.for_case(
        standards.store, standards.machine.id, case.subject, case.strategy.name, accepted=accepted
    )


def _known_failures(case: Case, standards: Standards) -> dict[str, KnownFailure]:
    """Check -> the entry in force for it."""
    entries = {check: _entry(case, check, standards) for check in checks_of(case)}
    return {check: entry for check, entry in entries.items() if entry is not None}


def _entry(case: Case, check: str, standards: Standards) -> KnownFailure | None:
    cell = (case.subject.name, case.strategy.name, check)
    installed = releases_of(standards.machine, standards.stack)
    return known_failures.expected(standards.known_failures, cell, device=case.device, stack=installed)

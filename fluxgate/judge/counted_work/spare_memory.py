"""How often torch's spare memory was given back to the GPU: too often costs seconds, too seldom costs room."""

from __future__ import annotations

from collections.abc import Iterator

from fluxgate.judge.counted_work.accepted import accepted_work, usual_work
from fluxgate.judge.counted_work.complaint import Complaint
from fluxgate.judge.counted_work.reference import elsewhere
from fluxgate.judge.damage import other_releases
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import counted
from fluxgate.rendering import DENOISE, ENCODE, PhaseWork, Work


def spare_memory(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """As often as accepted, or as elsewhere, with the same releases; and not in each step where weights stay."""
    if elsewhere(done):
        return
    usual = _usual(evidence, done)
    for phase in done.first:
        before = usual.get(phase.phase)
        if phase.emptied is None:
            continue
        times = (
            f"{phase.phase.capitalize()} gives torch's spare memory back to the GPU {counted(phase.emptied, 'time')}"
        )
        if before is not None and before != phase.emptied:
            yield Complaint(f"{times} in one call instead of {before:,}", (phase.phase,))
        elif _in_each_step(phase, done) and evidence.case.strategy.promise.stays and before is None:
            yield Complaint(f"{times} in {counted(done.steps, 'step')}, though weights stay there", (phase.phase,))


def _in_each_step(phase: PhaseWork, done: Work) -> bool:
    return phase.phase == DENOISE and 0 < done.steps <= (phase.emptied or 0)


def _usual(evidence: Evidence, done: Work) -> dict[str, int | None]:
    """By phase, as accepted here or counted elsewhere with the same releases; empty where neither is known."""
    accepted, known = accepted_work(evidence, done), evidence.usual_work
    if accepted is not None:
        return {} if other_releases(evidence) else {one.phase: one.emptied for one in accepted.first}
    theirs = usual_work(evidence, done)
    if theirs is None or known is None:
        return {}
    return {one.phase: one.emptied for one in theirs.first if known.encodes or one.phase != ENCODE}

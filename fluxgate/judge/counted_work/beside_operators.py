"""What only costs seconds or room, and is no operator: how often Python was asked to collect garbage, and torch to give
its spare memory back to the GPU; how much came to a GPU from memory that is pinned, without which no copy overlaps with
computing; and without a GPU, which weights nobody asked to move after use."""

from __future__ import annotations

from collections.abc import Iterator

from fluxgate.amounts import distinct
from fluxgate.compare.work import FEWER_ASKED
from fluxgate.judge.counted_work.accepted import as_counted_before
from fluxgate.judge.counted_work.complaint import Complaint
from fluxgate.judge.counted_work.reference import elsewhere
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import counted
from fluxgate.rendering import DENOISE, PhaseWork, Work

LAYERS = 8  # times that a component's layers do something in each of its calls, at the least; chosen


def beside_operators(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """As often and as much as accepted, or as elsewhere, with the same releases."""
    if elsewhere(done):
        return
    before = as_counted_before(evidence, done)
    for phase in done.first:
        yield from _given_back(evidence, done, phase, before.get(phase.phase))
        yield from _pinned(phase, before.get(phase.phase))
        yield from _collected(done, phase, before.get(phase.phase))
        yield from _unmoved(phase, before.get(phase.phase))


def _given_back(evidence: Evidence, done: Work, phase: PhaseWork, before: PhaseWork | None) -> Iterator[Complaint]:
    """Where nothing is known, not in each step, if weights stay there."""
    if phase.emptied is None:
        return
    usual = before.emptied if before else None
    times = f"{phase.phase.capitalize()} gives torch's spare memory back to the GPU {counted(phase.emptied, 'time')}"
    if usual is not None and usual != phase.emptied and not _less_often_than_in_each_layer(phase, usual):
        yield Complaint(f"{times} in one call instead of {usual:,}", (phase.phase,))
    elif _in_each_step(phase, done) and evidence.case.strategy.promise.stays and usual is None:
        yield Complaint(f"{times} in {counted(done.steps, 'step')}, though weights stay there", (phase.phase,))


def _less_often_than_in_each_layer(phase: PhaseWork, usual: int) -> bool:
    """Whether it was done far more often than components are called: then each layer waits for it, and the room that it
    leaves to others is a layer's."""
    return (phase.emptied or 0) < usual and usual > LAYERS * max(phase.components.values(), default=0) > 0


def _in_each_step(phase: PhaseWork, done: Work) -> bool:
    return phase.phase == DENOISE and 0 < done.steps <= (phase.emptied or 0)


def _pinned(phase: PhaseWork, before: PhaseWork | None) -> Iterator[Complaint]:
    if before is None or before.pinned is None or phase.pinned is None or before.pinned == phase.pinned:
        return
    now, then = distinct(phase.pinned, before.pinned)
    sentence = f"{phase.phase.capitalize()} copies {now} to the GPU from pinned memory in one call instead of {then}"
    yield Complaint(sentence, (phase.phase,))


def _collected(done: Work, phase: PhaseWork, before: PhaseWork | None) -> Iterator[Complaint]:
    """Where nothing is known, not in each step: to look through all objects takes as long as a step does."""
    if phase.collected is None:
        return
    usual = before.collected if before else None
    times = f"{phase.phase.capitalize()} asks Python to collect garbage {counted(phase.collected, 'time')}"
    if usual is not None and phase.collected > usual:
        yield Complaint(f"{times} in one call instead of {usual:,}", (phase.phase,))
    elif usual is None and phase.phase == DENOISE and 0 < done.steps <= phase.collected:
        yield Complaint(f"{times} in {counted(done.steps, 'step')}", (phase.phase,))


def _unmoved(phase: PhaseWork, before: PhaseWork | None) -> Iterator[Complaint]:
    """An offload that moves each weight as often, but later, needs more room."""
    if before is None or before.unmoved is None or phase.unmoved is None:
        return
    if phase.unmoved.most > before.unmoved.most * (1 + FEWER_ASKED):
        now, then = distinct(phase.unmoved.most, before.unmoved.most)
        sentence = f"{phase.phase.capitalize()} has used {now} of weights that nobody has asked to move since"
        yield Complaint(f"{sentence}, instead of {then}", (phase.phase,))

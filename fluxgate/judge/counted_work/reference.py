"""Work held to the reference's: its floating-point operations, and its operators but for those that only move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fluxgate.compare.work import EVENTS, OPERATORS, WorkChange, distinct_flops, same_call, total, total_flops
from fluxgate.judge.counted_work.complaint import Complaint
from fluxgate.judge.counted_work.moving import MOVING
from fluxgate.judge.evidence import Evidence
from fluxgate.rendering import OTHER_PROCESSES, PHASES, PhaseWork, Work
from fluxgate.strategies.promise import OtherWork


def reference_work(evidence: Evidence, done: Work) -> Work | None:
    """The reference's work, where the same call was counted, and all of both."""
    theirs = evidence.reference_facts.work
    if theirs is None or not same_call(theirs, done) or elsewhere(theirs) or elsewhere(done):
        return None
    return theirs


def beside_reference(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """The reference's floating-point operations, and its operators but for those that only move."""
    theirs, promise = reference_work(evidence, done), evidence.case.strategy.promise
    if theirs is None:
        return
    pictures = any(shot.inputs for shot in evidence.case.subject.shots if shot.name == done.shot)
    for phase in PHASES:
        other = [one for one in promise.other_work if phase in one.phases and (pictures or not one.given_pictures)]
        before, after = total_flops(theirs, phase), total_flops(done, phase)
        if not _may_differ(other, before, after):
            now, then = distinct_flops(after, before)
            sentence = f"{phase.capitalize()} does {now} where {promise.reference} does {then}{_times(after, before)}"
            yield Complaint(sentence, (phase,))
        yield from _other_operators(theirs, done, phase, other, f"{promise.reference}")


def _times(after: int, before: int) -> str:
    """`, 2.00 times as much`, where two digits tell it from once."""
    times = f"{after / before:.2f}" if before else "1.00"
    return "" if times == "1.00" else f", {times} times as much"


def _may_differ(other: list[OtherWork], before: int, after: int) -> bool:
    if any(one.flops is None for one in other):
        return True
    return abs(after - before) <= max((one.flops or 0.0 for one in other), default=0.0) * before


def _other_operators(theirs: Work, done: Work, phase: str, other: list[OtherWork], named: str) -> Iterator[Complaint]:
    expected, actual = _computing(theirs, phase), _computing(done, phase)
    for name in sorted(expected.keys() | actual.keys()):
        before, after = expected.get(name, 0), actual.get(name, 0)
        if before != after and not any(_allows(one, name, after - before) for one in other):
            change = WorkChange(phase, OPERATORS, name, before, after)
            yield Complaint(f"{change.sentence.capitalize()}, unlike {named}", (phase,))


def _allows(one: OtherWork, name: str, more: int) -> bool:
    return name.startswith(one.operators) and (one.most is None or 0 < more <= one.most)


def _computing(done: Work, phase: str) -> Mapping[str, int]:
    """The operators that compute, without products: those are compared by what they come to."""
    one = next((one for one in done.first if one.phase == phase), PhaseWork(phase))
    return {name: times for name, times in one.operators.items() if name not in MOVING and name not in one.flops}


def elsewhere(done: Work) -> bool:
    """Whether other processes worked, which are not counted."""
    return total(done, EVENTS, OTHER_PROCESSES) > 0

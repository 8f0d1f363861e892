"""Work held to what was accepted here, or to what the same releases do on other machines of this kind."""

from __future__ import annotations

from collections.abc import Iterator

from fluxgate.compare.work import (
    COMPONENTS,
    FLOPS,
    MODULES,
    OPERATORS,
    REPEATS,
    WorkChange,
    costly_changes,
    held_changes,
    moved_alike,
    same_call,
    work_changes,
)
from fluxgate.judge.applicable import checks_of
from fluxgate.judge.counted_work.complaint import Complaint, changed
from fluxgate.judge.counted_work.moving import MOVING
from fluxgate.judge.damage import other_releases
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import listed
from fluxgate.judge.verdict import ORACLE
from fluxgate.miniature.given import IMAGE_PROMPT
from fluxgate.rendering import ENCODE, PhaseWork, Work


def accepted_work(evidence: Evidence, done: Work) -> Work | None:
    """What was accepted on this machine, where the same call was counted."""
    baseline = evidence.baseline
    theirs = evidence.accepted_facts.work
    if baseline is None or baseline.portable or theirs is None or not same_call(theirs, done):
        return None
    return theirs


def as_accepted(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """No more and nothing else, with the accepted releases; with others what no release should change."""
    theirs = accepted_work(evidence, done)
    if theirs is None:
        return
    moved = other_releases(evidence)
    changes = (
        held_changes(theirs, done)
        if moved
        else costly_changes(
            work_changes(theirs, done),
            moved_alike=moved_alike(theirs.first, done.first, gpu=evidence.gpu),
            may_spare=_come_to_the_same(evidence),
        )
    )
    if changes:
        such = f", whatever {listed(moved)} may do otherwise" if moved else ""
        yield changed(f"It does not do the accepted work{such}", changes)


def usual_work(evidence: Evidence, done: Work) -> Work | None:
    """What the same releases do elsewhere, where nothing was accepted here and the same call was counted."""
    if evidence.usual_work is None or accepted_work(evidence, done) is not None:
        return None
    theirs = evidence.usual_work.work
    return theirs if same_call(theirs, done) else None


def as_counted_before(evidence: Evidence, done: Work) -> dict[str, PhaseWork]:
    """By phase, what was accepted here or counted elsewhere with the same releases; empty where neither is known."""
    accepted, known = accepted_work(evidence, done), evidence.usual_work
    if accepted is not None:
        return {} if other_releases(evidence) else {one.phase: one for one in accepted.first}
    theirs = usual_work(evidence, done)
    if theirs is None or known is None:
        return {}
    return {one.phase: one for one in theirs.first if known.encodes or one.phase != ENCODE}


def as_usual(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """No more and nothing else; where other watchers counted, but for what moves, which may be theirs."""
    theirs, known = usual_work(evidence, done), evidence.usual_work
    if theirs is None or known is None:
        return
    changes = tuple(
        one
        for one in work_changes(theirs, done)
        if (known.exact or _computes(one)) and (known.encodes or one.phase != ENCODE)
    )
    alike = moved_alike(theirs.first, done.first, gpu=evidence.gpu)
    changes = costly_changes(changes, moved_alike=alike, may_spare=_is_held_to_the_oracle(evidence))
    if changes:
        yield changed(f"It does not do the work that the same releases do on {known.machine}", changes)


def _come_to_the_same(evidence: Evidence) -> bool:
    """Whether every picture is the accepted one, to the pixel: what is left out then was not needed."""
    accepted, ours = evidence.accepted_facts.pictures, evidence.facts.pictures
    return bool(ours) and all(set(ours[key]) & set(accepted.get(key, ())) for key in ours)


def _is_held_to_the_oracle(evidence: Evidence) -> bool:
    """Whether another check sees what is left out; what caches leave out, it expects."""
    return ORACLE in checks_of(evidence.case) and evidence.case.strategy.promise.computed_as in (None, IMAGE_PROMPT)


def _computes(change: WorkChange) -> bool:
    if change.section == OPERATORS:
        return change.what not in MOVING
    return change.section in (FLOPS, COMPONENTS, MODULES, REPEATS)

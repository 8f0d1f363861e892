"""Check of what was done, counted: by the call before, by the reference, by the strategy's promise and as accepted."""

from __future__ import annotations

from collections.abc import Iterator

from fluxgate.compare.work import (
    BYTES,
    TO_DEVICE,
    TO_HOST,
    WorkChange,
    changes_between,
    costly_changes,
    flops,
    moved_alike,
    total,
    total_flops,
    work_changes,
)
from fluxgate.judge.answers import failed, no_data, passed
from fluxgate.judge.counted_work.accepted import accepted_work, as_accepted, as_usual, usual_work
from fluxgate.judge.counted_work.beside_operators import beside_operators
from fluxgate.judge.counted_work.complaint import told
from fluxgate.judge.counted_work.itself import moves, repeats, sleeps
from fluxgate.judge.counted_work.reference import beside_reference, reference_work
from fluxgate.judge.damage import CAUSE, other_releases
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import again, counted, listed
from fluxgate.judge.suspects import joined, most_likely, of_phase
from fluxgate.judge.verdict import WORK, Verdict
from fluxgate.rendering import DENOISE, PhaseWork, Work


def work(evidence: Evidence) -> Verdict:
    """The same work as the call before, as the reference and as accepted, but for what the promise allows."""
    done = evidence.rendering.work
    if done is None or not done.calls:
        reason = f": {done.unavailable}" if done and done.unavailable else ""
        return no_data(evidence, WORK, f"Its work was not counted{reason}. Run {again(evidence.case)}.")
    numbers = {"FLOPs": float(total_flops(done))}
    numbers |= {what: float(total(done, BYTES, what)) for what in (TO_DEVICE, TO_HOST)}
    for sentence, who in _complaints(evidence, done):
        return failed(evidence, WORK, sentence, numbers=numbers, suspects=who)
    sentence = f"It does {flops(total_flops(done))} in {counted(done.steps, 'step')}, the same as"
    other = _otherwise(evidence, done)
    return passed(evidence, WORK, f"{sentence} {listed(_compared_with(evidence, done))}{other}.", numbers=numbers)


def _complaints(evidence: Evidence, done: Work) -> Iterator[tuple[str, str | None]]:
    """What is wrong, what is surest first, and who most likely did it."""
    then = f"Run {again(evidence.case)}."
    later = _in_a_second_call(*done.calls[:2], gpu=evidence.gpu) if len(done.calls) > 1 else ()
    if later:
        yield f"A second call does not do what the first did: {told(later)}. {then}", None
    for ask, last in (
        (repeats, then),
        (sleeps, then),
        (moves, then),
        (beside_operators, then),
        (beside_reference, then),
        (as_accepted, CAUSE),
        (as_usual, then),
    ):
        for complaint in ask(evidence, done):
            who = _who(evidence, complaint.phases)
            yield f"{complaint.sentence}. {most_likely(who)} {last}", who


def _in_a_second_call(
    first: tuple[PhaseWork, ...], second: tuple[PhaseWork, ...], *, gpu: bool
) -> tuple[WorkChange, ...]:
    return costly_changes(changes_between(first, second), moved_alike=moved_alike(first, second, gpu=gpu), few=0)


def _who(evidence: Evidence, phases: tuple[str, ...]) -> str:
    """Whose work it is that is done in these phases, or in none of them by itself."""
    return joined(of_phase(phases or (DENOISE,), evidence.case.subject, evidence.rendering.inventory))


def _compared_with(evidence: Evidence, done: Work) -> Iterator[str]:
    yield "in a second call"
    if reference_work(evidence, done) is not None:
        yield f"{evidence.case.strategy.promise.reference}'s"
    if accepted_work(evidence, done) is not None:
        yield "accepted"
    elif usual_work(evidence, done) is not None:
        yield "with these releases on another machine of this kind"


def _otherwise(evidence: Evidence, done: Work) -> str:
    """That some of it is written otherwise, as the end of a sentence; where every counter was looked at."""
    known = evidence.usual_work
    theirs = None if other_releases(evidence) else accepted_work(evidence, done)
    if theirs is None and known is not None and known.exact and known.encodes:
        theirs = usual_work(evidence, done)
    changes = work_changes(theirs, done)
    number = counted(len(changes), "counter")
    return f"; {number} {'differs' if len(changes) == 1 else 'differ'}, which comes to no more" if changes else ""

"""Check of what was done, counted: by the call before, by the reference, by the strategy's promise and as accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fluxgate.amounts import amount
from fluxgate.compare.work import (
    BYTES,
    COMPONENTS,
    EVENTS,
    FEW,
    FILES_READ,
    FLOPS,
    MODULES,
    OPERATORS,
    REPEATS,
    TO_DEVICE,
    TO_HOST,
    WEIGHTS_ASKED,
    WorkChange,
    changes_between,
    costly_changes,
    flops,
    held_changes,
    same_call,
    total,
    total_flops,
    work_changes,
)
from fluxgate.judge.answers import failed, no_data, passed
from fluxgate.judge.damage import CAUSE, other_releases
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import again, counted, listed
from fluxgate.judge.suspects import DIFFUSERS, TRANSFORMERS, most_likely, movers, quantizer_of
from fluxgate.judge.verdict import WORK, Verdict
from fluxgate.rendering import DENOISE, ENCODE, OTHER_PROCESSES, PHASES, SLEEPS, PhaseWork, Work
from fluxgate.strategies.promise import OtherWork

BUFFERS = 4096  # bytes that a model itself brings to where it computes, as Gemma its rotations
# Operators that give a tensor another place, dtype, shape or owner and compute nothing: an offload adds some of them.
MOVING = frozenset(
    {
        "aten._local_scalar_dense", "aten._pin_memory", "aten._to_copy", "aten._unsafe_view", "aten.alias",
        "aten.as_strided", "aten.clone", "aten.copy_", "aten.detach", "aten.detach_", "aten.empty",
        "aten.empty_like", "aten.empty_strided", "aten.expand", "aten.is_pinned", "aten.lift_fresh",
        "aten.new_empty", "aten.new_empty_strided", "aten.permute", "aten.record_stream", "aten.resize_",
        "aten.select", "aten.set_", "aten.slice", "aten.squeeze", "aten.t", "aten.transpose", "aten.unsqueeze",
        "aten.view", "aten.zeros",
    }
)  # fmt: skip
NAMED = 3  # changes that a sentence tells one by one
SPARE = 0.02  # of the weights' bytes: buffers that a component moves beside them
SCALARS = 4096  # bytes a step that a scheduler may ask of the device: its own numbers, and no latents
AHEAD = "groups onloaded ahead"
ONLOADED = ("groups onloaded", AHEAD)
GROUP_HOOK = "GroupOffloadingHook ran"


@dataclass(frozen=True)
class Complaint:
    """Something that is not as it must be, and the phases that it is about; none where it is about a whole call."""

    sentence: str
    phases: tuple[str, ...] = ()


def work(evidence: Evidence) -> Verdict:
    """The same work as the call before, as the reference and as accepted, but for what the promise allows."""
    done = evidence.rendering.work
    if done is None or not done.calls:
        reason = f": {done.unavailable}" if done and done.unavailable else ""
        return no_data(evidence, WORK, f"Its work was not counted{reason}. Run {again(evidence.case)}.")
    numbers = {"FLOPs": float(total_flops(done))}
    numbers |= {what: float(total(done, BYTES, what)) for what in (TO_DEVICE, TO_HOST)}
    for complaint in _complaints(evidence, done):
        return failed(evidence, WORK, complaint, numbers=numbers)
    sentence = f"It does {flops(total_flops(done))} in {counted(done.steps, 'step')}, the same as"
    other = _otherwise(evidence, done)
    return passed(evidence, WORK, f"{sentence} {listed(_compared_with(evidence, done))}{other}.", numbers=numbers)


def _complaints(evidence: Evidence, done: Work) -> Iterator[str]:
    """What is wrong, what is surest first."""
    then = f"Run {again(evidence.case)}."
    later = costly_changes(changes_between(*done.calls[:2])) if len(done.calls) > 1 else ()
    if later:
        yield f"A second call does not do what the first did: {_told(later)}. {then}"
    for ask, last in (
        (_repeats, then),
        (_sleeps, then),
        (_moves, then),
        (_beside_reference, then),
        (_as_accepted, CAUSE),
        (_as_usual, then),
    ):
        for complaint in ask(evidence, done):
            yield f"{complaint.sentence}. {_who(evidence, complaint.phases)} {last}"


def _who(evidence: Evidence, phases: tuple[str, ...]) -> str:
    """Whose work it is that is done in these phases: pipelines and denoisers are diffusers', encoders transformers'."""
    encodes, subject = ENCODE in phases and DENOISE not in phases, evidence.case.subject
    inventory = evidence.rendering.inventory
    components = inventory.components if inventory else {}
    computing = subject.encoders if encodes else (subject.denoiser,)
    narrow = [name for each in computing if (name := quantizer_of(components.get(each))) is not None]
    return most_likely([DIFFUSERS, *([TRANSFORMERS] if encodes else []), *narrow, *movers(inventory)])


def _compared_with(evidence: Evidence, done: Work) -> Iterator[str]:
    yield "in a second call"
    if _reference(evidence, done) is not None:
        yield f"{evidence.case.strategy.promise.reference}'s"
    if _accepted(evidence, done) is not None:
        yield "accepted"
    elif _usual(evidence, done) is not None:
        yield "with these releases on another machine of this kind"


def _otherwise(evidence: Evidence, done: Work) -> str:
    """That some of it is written otherwise, as the end of a sentence; where every counter was looked at."""
    known = evidence.usual_work
    theirs = None if other_releases(evidence) else _accepted(evidence, done)
    if theirs is None and known is not None and known.exact and known.encodes:
        theirs = _usual(evidence, done)
    changes = work_changes(theirs, done)
    number = counted(len(changes), "counter")
    return f"; {number} {'differs' if len(changes) == 1 else 'differ'}, which comes to no more" if changes else ""


def _changed(lead: str, changes: tuple[WorkChange, ...]) -> Complaint:
    return Complaint(f"{lead}: {_told(changes)}", tuple(change.phase for change in changes[:NAMED]))


def _told(changes: tuple[WorkChange, ...]) -> str:
    """`denoise calls transformer 6 times instead of 3; …; and 40 more counters differ`."""
    sentences = [change.sentence for change in changes[:NAMED]]
    more = len(changes) - len(sentences)
    return "; ".join(sentences) + (f"; and {counted(more, 'more counter')} differ" if more else "")


# By itself


def _repeats(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """The same inputs give the same outputs: to compute them again is work that nobody needs."""
    accepted = _accepted(evidence, done)
    usual = {one.phase: one.repeats for one in accepted.first} if accepted else {}
    for phase in done.first:
        for component, times in phase.repeats.items():
            if times > usual.get(phase.phase, {}).get(component, 0):
                called = f"{phase.phase.capitalize()} calls {component} again with the same inputs"
                yield Complaint(f"{called}, {counted(times, 'time')} in one call", (phase.phase,))


def _sleeps(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """Nothing in a call has to wait for a time: what it waits for would tell when it is done."""
    accepted = _accepted(evidence, done)
    usual = {one.phase: one.events.get(SLEEPS, 0) for one in accepted.first} if accepted else {}
    for phase in done.first:
        times = phase.events.get(SLEEPS, 0)
        if times > usual.get(phase.phase, 0):
            sentence = f"{phase.phase.capitalize()} sleeps {counted(times, 'time')} in one call (`time.sleep`)"
            yield Complaint(sentence, (phase.phase,))


def _moves(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """Weights move as often as the promise says, and nothing goes to the host and back in each step."""
    promise = evidence.case.strategy.promise
    if _elsewhere(done):
        return
    if promise.stays:
        yield from _stays(done)
    if promise.moves is None:
        return
    due, copies = _due(done, each_use=promise.moves.each_use), promise.moves.copies
    reference = _reference(evidence, done)
    for what, times in (
        (TO_DEVICE, copies),
        (TO_HOST, copies),
        (FILES_READ, 1.0),
        (WEIGHTS_ASKED, promise.moves.asked),
    ):
        beside = total(reference, BYTES, what) if reference else 0
        moved, most = total(done, BYTES, what), times * due * (1 + SPARE) + beside + FEW
        if moved > most:
            need = f"its weights need {amount(due)}, so that {amount(most)} are plenty"
            yield Complaint(f"It moves {amount(moved)} {what}; {need}")
    yield from _groups(done, ahead=promise.moves.ahead)


def _groups(done: Work, *, ahead: bool) -> Iterator[Complaint]:
    """Each group comes to the device once for each use, and ahead of it where a stream of its own copies it."""
    for phase in done.first:
        onloaded, ran = sum(phase.events.get(name, 0) for name in ONLOADED), phase.events.get(GROUP_HOOK, 0)
        if ran and onloaded > ran:
            sentence = f"{phase.phase.capitalize()} moves groups to the device {onloaded} times for {ran} uses"
            yield Complaint(sentence, (phase.phase,))
    if ahead and total(done, EVENTS, GROUP_HOOK) and not total(done, EVENTS, AHEAD):
        yield Complaint("No group comes to the device ahead of its use: nothing is prefetched")


def _stays(done: Work) -> Iterator[Complaint]:
    for phase in done.first:
        asked = phase.bytes.get(WEIGHTS_ASKED, 0)
        if asked > BUFFERS:
            sentence = (
                f"{phase.phase.capitalize()} asks {amount(asked)} of weights to move, which its promise says stay"
            )
            yield Complaint(sentence, (phase.phase,))
        back, size = phase.moves.get(TO_HOST, 0), phase.bytes.get(TO_HOST, 0)
        if phase.phase == DENOISE and done.steps and back >= done.steps and size > SCALARS * done.steps:
            steps = f"{counted(done.steps, 'step')}, {amount(size)} in all"
            yield Complaint(f"Denoise moves tensors to the host {back} times in {steps}", (DENOISE,))


def _due(done: Work, *, each_use: bool) -> int:
    """The bytes of weights that must come to the device in one call."""
    calls: dict[str, int] = {}
    for phase in done.first:
        for component, times in phase.components.items():
            calls[component] = calls.get(component, 0) + times
    return sum(done.weights.get(name, 0) * (times if each_use else 1) for name, times in calls.items())


def _elsewhere(done: Work) -> bool:
    """Whether other processes worked, which are not counted."""
    return total(done, EVENTS, OTHER_PROCESSES) > 0


# Beside the reference


def _reference(evidence: Evidence, done: Work) -> Work | None:
    """The reference's work, where the same call was counted, and all of both."""
    theirs = evidence.reference_facts.work
    if theirs is None or not same_call(theirs, done) or _elsewhere(theirs) or _elsewhere(done):
        return None
    return theirs


def _beside_reference(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """The reference's floating-point operations, and its operators but for those that only move."""
    theirs, promise = _reference(evidence, done), evidence.case.strategy.promise
    if theirs is None:
        return
    pictures = any(shot.inputs for shot in evidence.case.subject.shots if shot.name == done.shot)
    for phase in PHASES:
        other = [one for one in promise.other_work if phase in one.phases and (pictures or not one.given_pictures)]
        before, after = total_flops(theirs, phase), total_flops(done, phase)
        if not _may_differ(other, before, after):
            times = f", {after / before:.2f} times as much" if before else ""
            sentence = f"{phase.capitalize()} does {flops(after)} where {promise.reference} does {flops(before)}{times}"
            yield Complaint(sentence, (phase,))
        yield from _other_operators(theirs, done, phase, other, f"{promise.reference}")


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


# As accepted


def _accepted(evidence: Evidence, done: Work) -> Work | None:
    """What was accepted on this machine, where the same call was counted."""
    baseline = evidence.baseline
    theirs = evidence.accepted_facts.work
    if baseline is None or baseline.portable or theirs is None or not same_call(theirs, done):
        return None
    return theirs


def _as_accepted(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """No more and nothing else, with the accepted releases; with others what no release should change."""
    theirs = _accepted(evidence, done)
    if theirs is None:
        return
    moved = other_releases(evidence)
    changes = held_changes(theirs, done) if moved else costly_changes(work_changes(theirs, done))
    if changes:
        such = f", whatever {listed(moved)} may do otherwise" if moved else ""
        yield _changed(f"It does not do the accepted work{such}", changes)


def _usual(evidence: Evidence, done: Work) -> Work | None:
    """What the same releases do elsewhere, where nothing was accepted here and the same call was counted."""
    if evidence.usual_work is None or _accepted(evidence, done) is not None:
        return None
    theirs = evidence.usual_work.work
    return theirs if same_call(theirs, done) else None


def _as_usual(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """No more and nothing else; where other watchers counted, but for what moves, which may be theirs."""
    theirs, known = _usual(evidence, done), evidence.usual_work
    if theirs is None or known is None:
        return
    changes = tuple(
        one
        for one in work_changes(theirs, done)
        if (known.exact or _computes(one)) and (known.encodes or one.phase != ENCODE)
    )
    changes = costly_changes(changes, unseen=True)
    if changes:
        yield _changed(f"It does not do the work that the same releases do on {known.machine}", changes)


def _computes(change: WorkChange) -> bool:
    if change.section == OPERATORS:
        return change.what not in MOVING
    return change.section in (FLOPS, COMPONENTS, MODULES, REPEATS)

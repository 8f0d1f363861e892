"""Work that is too much by itself: repeated, slept through, or moved more often than the promise says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fluxgate.amounts import amount
from fluxgate.compare.work import BYTES, EVENTS, FEW, FILES_READ, TO_DEVICE, TO_HOST, WEIGHTS_ASKED, total
from fluxgate.judge.counted_work.accepted import accepted_work
from fluxgate.judge.counted_work.complaint import Complaint
from fluxgate.judge.counted_work.reference import elsewhere, reference_work
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import counted
from fluxgate.rendering import DENOISE, SLEEPS, Inventory, PhaseWork, Work

BUFFERS = 4096  # bytes that a model itself brings to where it computes in a call, as Gemma its rotations
BUFFERS_SHARE = 5e-5  # of the weights, chosen: up to this a large pipeline's own buffers may be more than that
SPARE = 0.02  # of the weights' bytes: buffers that a component moves beside them
SCALARS = 4096  # bytes a step that a scheduler may ask of the device: its own numbers, and no latents
MEASURED_STEPS = 3  # in which what hooks ask for was measured
AHEAD = "groups onloaded ahead"
ONLOADED = ("groups onloaded", AHEAD)
GROUP_HOOK = "GroupOffloadingHook ran"


def repeats(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """The same inputs give the same outputs: to compute them again is work that nobody needs."""
    accepted = accepted_work(evidence, done)
    usual = {one.phase: one.repeats for one in accepted.first} if accepted else {}
    for phase in done.first:
        for component, times in phase.repeats.items():
            if times > usual.get(phase.phase, {}).get(component, 0):
                called = f"{phase.phase.capitalize()} calls {component} again with the same inputs"
                yield Complaint(f"{called}, {counted(times, 'time')} in one call", (phase.phase,))


def sleeps(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """Nothing in a call has to wait for a time: what it waits for would tell when it is done."""
    accepted = accepted_work(evidence, done)
    usual = {one.phase: one.events.get(SLEEPS, 0) for one in accepted.first} if accepted else {}
    for phase in done.first:
        times = phase.events.get(SLEEPS, 0)
        if times > usual.get(phase.phase, 0):
            sentence = f"{phase.phase.capitalize()} sleeps {counted(times, 'time')} in one call (`time.sleep`)"
            yield Complaint(sentence, (phase.phase,))


def moves(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    """Weights move as often as the promise says, and nothing goes to the host and back in each step."""
    promise = evidence.case.strategy.promise
    if elsewhere(done):
        return
    if promise.stays:
        yield from _stays(evidence, done)
    if promise.moves is None:
        return
    due, copies = _due(done, each_use=promise.moves.each_use), promise.moves.copies
    reference = reference_work(evidence, done)
    for what, usual in (
        (TO_DEVICE, copies * due),
        (TO_HOST, copies * due),
        (FILES_READ, due),
        (WEIGHTS_ASKED, promise.moves.asked * due + (0 if promise.moves.each_use else _asked_again(done))),
    ):
        beside = total(reference, BYTES, what) if reference else 0
        moved, most = total(done, BYTES, what), usual * (1 + SPARE) + beside + FEW
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


def _stays(evidence: Evidence, done: Work) -> Iterator[Complaint]:
    for phase in done.first:
        asked, calls = phase.bytes.get(WEIGHTS_ASKED, 0), max(phase.components.values(), default=1)
        own = min(_buffers(evidence.rendering.inventory, phase), BUFFERS_SHARE * sum(done.weights.values()))
        if asked > max(BUFFERS * calls, own):
            sentence = (
                f"{phase.phase.capitalize()} asks {amount(asked)} of weights to move, which its promise says stay"
            )
            yield Complaint(sentence, (phase.phase,))
        back, size = phase.moves.get(TO_HOST, 0), phase.bytes.get(TO_HOST, 0)
        if phase.phase == DENOISE and done.steps and back >= done.steps and size > SCALARS * done.steps:
            steps = f"{counted(done.steps, 'step')}, {amount(size)} in all"
            yield Complaint(f"Denoise moves tensors to the host {back} times in {steps}", (DENOISE,))


def _buffers(inventory: Inventory | None, phase: PhaseWork) -> int:
    """The bytes of all buffers of what is called, in each call: Chroma's denoiser brings its modulations each time."""
    parts = inventory.components if inventory else {}
    return sum(times * parts[name].buffer_bytes for name, times in phase.components.items() if name in parts)


def _asked_again(done: Work) -> int:
    """The bytes that hooks of whole components ask for where one is called more often than where they were measured, as
    a denoiser whose guidance takes a call of its own, or that takes one number of steps alone."""
    calls: Counter[str] = Counter()
    for phase in done.first:
        calls.update(phase.components)
    usual = min(done.steps, MEASURED_STEPS)
    return sum(done.weights.get(name, 0) * max(times - usual, 0) for name, times in calls.items())


def _due(done: Work, *, each_use: bool) -> int:
    """The bytes of weights that must come to the device in one call: all of a component whenever it is called, and what
    is within layers that are called more often whenever these are; or whole components once, and again after another.

    A component that is never called as a whole counts once: Ideogram 4 calls the layers of its text encoder."""
    if not each_use:
        return sum(size * _comings(done, name) for name, size in done.weights.items())
    calls: Counter[str] = Counter()
    for phase in done.first:
        calls.update(phase.components)
    return sum(max(size * (calls[name] or 1), done.layers.get(name, 0)) for name, size in done.weights.items())


def _comings(done: Work, name: str) -> int:
    """How often a whole component must come to the device: where others are called between its own calls, each may have
    sent it away, as two text encoders do that each encode two prompts, or two denoisers that take turns."""
    returns = 0
    for phase in done.first:
        own = phase.components.get(name, 0)
        returns += min(max(own - 1, 0), sum(phase.components.values()) - own)
    return 1 + returns

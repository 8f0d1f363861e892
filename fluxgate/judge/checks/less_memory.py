"""Check of a promise to use less memory than another strategy, rendered in the same run."""

from __future__ import annotations

from fluxgate.amounts import amount, distinct
from fluxgate.compare.facts import ALLOCATED
from fluxgate.judge.answers import crashed, failed, no_data, passed
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import again, listed, unmeasured
from fluxgate.judge.verdict import LESS, Limit, Verdict
from fluxgate.rendering import PHASES, Rendering, id_of_case
from fluxgate.runs.rendered import Rendered

SPARED = 0.25  # share of the weights that waits in files; 0.55 and 0.76 were seen
FEW_ON_GPU = 16 << 20  # bytes of weights: what kernels and allocator take varies by more than a part of fewer
FEW = 32 << 20  # bytes of weights: a quarter of fewer is less than what else comes and goes while a pipeline loads


def less(evidence: Evidence) -> Verdict:
    """A smaller peak than the strategy that the promise names; on a CPU, fewer of the weights once loaded."""
    named = evidence.case.strategy.promise.less_memory_than or ""
    ours = _used(evidence, evidence.rendering)
    if ours is None:
        figure, what = (ALLOCATED, "GPU memory") if evidence.gpu else ("host", "Host memory")
        return no_data(evidence, LESS, unmeasured(evidence.rendering.memory, figure, what))
    reference = evidence.memory_reference
    if reference is None or reference.rendering.crash is not None:
        return _without_reference(evidence, reference, named)
    theirs = _used(evidence, reference.rendering)
    if theirs is None:
        sentence = f"It must use less than {named}, whose memory was not measured in this run."
        return no_data(evidence, LESS, f"{sentence} Run {again(evidence.case, beside=named)}.")
    return _less_at_peak(evidence, ours, theirs, named) if evidence.gpu else _less_loaded(evidence, ours, theirs, named)


def _without_reference(evidence: Evidence, reference: Rendered | None, named: str) -> Verdict:
    crash = reference.rendering.crash if reference else None
    if crash is None:
        sentence = f"It must use less than {named}, which was not rendered."
        return no_data(evidence, LESS, f"{sentence} Run {again(evidence.case, beside=named)}.")
    if crash.limit is not None:
        sentence = f"It must use less than {named}, which does not fit into the {amount(crash.limit)} asked for."
        return no_data(evidence, LESS, f"{sentence} Run {again(evidence.case, beside=named)}, without --vram-limit.")
    whose = id_of_case(evidence.case.subject.name, named)
    return crashed(evidence, LESS, f"It must use less than {named}, which crashed: see {whose}.")


def _used(evidence: Evidence, rendering: Rendering) -> int | None:
    """The bytes that the promise is about: the allocated peak, or on a CPU what was resident once all was loaded."""
    memory = rendering.memory
    if memory is None:
        return None
    return memory.peak(ALLOCATED, evidence.case.strategy.promise.less_during) if evidence.gpu else memory.host_loaded


def _less_at_peak(evidence: Evidence, ours: int, theirs: int, named: str) -> Verdict:
    during = evidence.case.strategy.promise.less_during
    when = "" if during == PHASES else f" during {listed(during)}"
    one, other = distinct(ours, theirs)
    numbers = {ALLOCATED: float(ours), f"{ALLOCATED} by {named}": float(theirs)}
    limit = Limit(float(theirs), f"less than {named} in the same run")
    if ours < theirs:
        sentence = f"It peaks at {one}{when}, {amount(theirs - ours)} less than {named}."
        return passed(evidence, LESS, sentence, numbers=numbers, limit=limit)
    inventory = evidence.rendering.inventory
    if inventory is not None and inventory.total_bytes < FEW_ON_GPU and ours - theirs < inventory.total_bytes:
        sentence = f"{amount(inventory.total_bytes)} of weights are too few to be missed beside a peak of {other}"
        return no_data(evidence, LESS, f"{sentence}; a larger subject would show it.", numbers=numbers, limit=limit)
    more = f"{amount(ours - theirs)} more than" if ours > theirs else "no less than"
    sentence = f"It peaks at {one}{when}, {more} {named}'s {other}, and promises to use less."
    return failed(evidence, LESS, f"{sentence} Run {again(evidence.case)}.", numbers=numbers, limit=limit)


def _less_loaded(evidence: Evidence, ours: int, theirs: int, named: str) -> Verdict:
    """What is not in memory is a share of the weights; the rest of a process's memory is not the same to the byte."""
    inventory = evidence.rendering.inventory
    weights = inventory.total_bytes if inventory else 0
    numbers = {"host loaded": float(ours), f"host loaded by {named}": float(theirs)}
    if weights < FEW:
        sentence = f"{amount(weights)} of weights are too few to be missed in the memory of a whole process"
        return no_data(evidence, LESS, f"{sentence}; a larger subject would show it.", numbers=numbers)
    limit = Limit(theirs - SPARED * weights, f"{SPARED:.0%} of the weights less than {named} in the same run")
    away = f"{amount(abs(theirs - ours))} {'less' if ours < theirs else 'more'} than {named}"
    sentence = f"Once loaded, its process has {away} in memory; at least {amount(SPARED * weights)} less are due"
    if ours <= limit.value:
        return passed(evidence, LESS, f"{sentence}.", numbers=numbers, limit=limit)
    sentence = f"{sentence}, {SPARED:.0%} of the weights: they stay in memory as well"
    return failed(evidence, LESS, f"{sentence}. Run {again(evidence.case)}.", numbers=numbers, limit=limit)

"""Checks of a case's peaks of memory: those on the GPU, and the worker's own in host memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fluxgate.amounts import amount, distinct
from fluxgate.baselines.limits import Band
from fluxgate.baselines.memory_limits import FEWEST_FOR_HOST, FRAGMENTATION
from fluxgate.compare import facts
from fluxgate.compare.facts import ALLOCATED, DRIVER, RESERVED, WHOLE
from fluxgate.judge.answers import failed, no_data, not_selected, passed
from fluxgate.judge.checks.confirming import confirmed
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import ACCEPT, NO_BASELINE, again, counted, listed, origin, sentence_case, unmeasured
from fluxgate.judge.standards import BaselineUse
from fluxgate.judge.suspects import TORCH, joined, most_likely, of_phase
from fluxgate.judge.verdict import CEILING, FAILED, HOST, Limit, Verdict
from fluxgate.rendering import PHASES, Memory

LOADED_LESS = " Something may not have been loaded."
SUBJECTS = {
    WHOLE: "the case peaks at",
    facts.HOST: "host memory peaks at",
    facts.OWN_HOST: "loading adds to host memory",
    RESERVED: "torch reserves",
    FRAGMENTATION: "of what torch reserves it does not use",
    DRIVER: "the driver sees",
}
LOOSE = 1.1  # a ceiling this many times above what is used has become too loose to notice anything


@dataclass(frozen=True)
class Peak:
    """A peak that has a limit."""

    phase: str
    value: int
    band: Band


def ceiling(evidence: Evidence) -> Verdict:
    """Each phase's allocated peak, the largest of them and what is stable beside it, as accepted, both ways."""
    return confirmed(evidence, _ceiling)


def host(evidence: Evidence) -> Verdict:
    """The worker's own peak of resident memory, and what loading adds to it."""
    return confirmed(evidence, _host)


def is_beyond(evidence: Evidence) -> bool:
    """Whether a peak is not what was accepted, so that the case is worth another rendering before that is told."""
    return any(judge(evidence).status == FAILED for judge in (_ceiling, _host))


def _ceiling(evidence: Evidence) -> Verdict:
    memory = evidence.rendering.memory
    values = dict(_allocated(memory)) if memory else {}
    if memory is None or not values:
        return no_data(evidence, CEILING, unmeasured(memory, ALLOCATED, "GPU memory"))
    stable = dict(_stable(memory))
    numbers = {f"{ALLOCATED} {phase}": float(value) for phase, value in values.items()}
    numbers |= {figure: float(value) for figure, value in stable.items()}
    limits, published = evidence.limits, _published(evidence, memory)
    peaks = [Peak(phase, value, limits.memory[phase]) for phase, value in values.items() if phase in limits.memory]
    beside = [Peak(figure, value, limits.stable[figure]) for figure, value in stable.items() if figure in limits.stable]
    for peak in (*peaks, *beside):
        limit = peak.band.broken(peak.value)
        if limit:
            sentence, who = _beyond(evidence, peak, limit)
            return failed(evidence, CEILING, sentence + published, numbers=numbers, limit=limit, suspects=who)
    if not peaks:
        return _without_ceiling(evidence, CEILING, f"It peaks at {amount(values[WHOLE])}.{published}", numbers)
    return _within(evidence, peaks, published, numbers)


def _stable(memory: Memory) -> Iterator[tuple[str, int]]:
    """What torch reserves, what of it is not allocated, and what the driver counts for this process alone."""
    reserved, allocated, driver = (memory.peak(figure) for figure in (RESERVED, ALLOCATED, DRIVER))
    if reserved is not None:
        yield RESERVED, reserved
    if reserved is not None and allocated is not None:
        yield FRAGMENTATION, reserved - allocated
    if driver is not None and memory.driver_scope == "process":  # else others' memory is among it
        yield DRIVER, driver


def _allocated(memory: Memory) -> Iterator[tuple[str, int]]:
    """The allocated peak of each phase, and the largest of them."""
    for phase, phases in [*((phase, (phase,)) for phase in PHASES), (WHOLE, PHASES)]:
        peak = memory.peak(ALLOCATED, phases)
        if peak is not None:
            yield phase, peak


def _within(evidence: Evidence, peaks: list[Peak], published: str, numbers: dict[str, float]) -> Verdict:
    peak = max(peaks, key=lambda one: (one.phase == WHOLE, one.value))
    limit = peak.band.ceiling or peak.band.floor
    sentence = f"{counted(len(peaks), 'peak')} within limits; {_subject(peak.phase)} {amount(peak.value)}"
    if limit:
        bound = "at most" if peak.band.ceiling else "at least"
        sentence += f", {bound} {amount(limit.value)} ({origin(limit)})"
    loose = [one.phase for one in peaks if one.band.ceiling and one.band.ceiling.value > max(one.value, 1) * LOOSE]
    hint = f" Too loose by now: {listed(loose)}; fluxgate accept --tighten tightens them." if loose else ""
    return passed(evidence, CEILING, f"{sentence}.{published}{hint}", numbers=numbers, limit=limit)


def _published(evidence: Evidence, memory: Memory) -> str:
    """How the driver's view compares with what somebody else reported; told, never judged."""
    published = evidence.limits.published
    measured = [(figure, memory.peak(figure)) for figure in (DRIVER, RESERVED, ALLOCATED)]
    figure, peak = next(((name, value) for name, value in measured if value is not None), ("", None))
    if published is None or peak is None:
        return ""
    if peak <= published.value:
        return f" The published {amount(published.value)} is met ({figure}: {amount(peak)})."
    missed = amount(peak - published.value)
    return f" The published {amount(published.value)} is missed by {missed} ({figure}: {amount(peak)})."


def _host(evidence: Evidence) -> Verdict:
    memory = evidence.rendering.memory
    if memory is None or memory.host_peak is None:
        return no_data(evidence, HOST, unmeasured(memory, "host", "Host memory"))
    numbers = {"host peak": float(memory.host_peak)}
    peaks = [Peak(facts.HOST, memory.host_peak, evidence.limits.host or Band())]
    if memory.host_own is not None:
        numbers["host, own, load"] = float(memory.host_own)
        peaks.append(Peak(facts.OWN_HOST, memory.host_own, evidence.limits.host_load or Band()))
    whole, limit = peaks[0], peaks[0].band.ceiling or peaks[0].band.floor
    for peak in peaks:
        broken = peak.band.broken(peak.value)
        if broken:
            sentence, who = _beyond(evidence, peak, broken)
            return failed(evidence, HOST, sentence, numbers=numbers, limit=broken, suspects=who)
    if limit is None:
        return _without_ceiling(evidence, HOST, f"It peaks at {amount(whole.value)}.", numbers, runs=FEWEST_FOR_HOST)
    value, bound = distinct(whole.value, limit.value)
    word = "at most" if whole.band.ceiling else "at least"
    sentence = f"It peaks at {value}, {word} {bound} ({origin(limit)})."
    return passed(evidence, HOST, sentence, numbers=numbers, limit=limit)


def _beyond(evidence: Evidence, peak: Peak, limit: Limit) -> tuple[str, str]:
    """The sentence, and who most likely did it."""
    value, bound = distinct(peak.value, limit.value)
    over = limit is peak.band.ceiling
    away = f"{amount(abs(peak.value - limit.value))} {'more' if over else 'less'}"
    word, why = ("ceiling", "") if over else ("floor", LOADED_LESS)
    sentence = f"{sentence_case(_subject(peak.phase))} {value}, {away} than the {word} of {bound} ({origin(limit)})."
    who = joined([*of_phase((peak.phase,), evidence.case.subject, evidence.rendering.inventory), TORCH])
    return f"{sentence}{why} {most_likely(who)} Run {again(evidence.case)}.", who


def _without_ceiling(
    evidence: Evidence, check: str, measured: str, numbers: dict[str, float], *, runs: int = 1
) -> Verdict:
    """Nothing was accepted that a peak could be held to; one accepted run gives a ceiling, or as many as it takes."""
    if evidence.baseline_use is BaselineUse.IGNORED:
        return not_selected(evidence, check, f"{NO_BASELINE} {measured}", numbers=numbers)
    how = f"run {ACCEPT}" if runs == 1 else f"accept {runs} runs: {ACCEPT}"
    sentence = f"No ceiling was measured for this machine; {how}. {measured}"
    return no_data(evidence, check, sentence, numbers=numbers)


def _subject(phase: str) -> str:
    return SUBJECTS.get(phase, f"{phase} peaks at")

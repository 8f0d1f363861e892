"""Check of a case's seconds against the latest runs of the same machine."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from fluxgate import figures
from fluxgate.compare.pace import LONG_ENOUGH, WINDOW, pace
from fluxgate.judge.answers import failed, no_data, passed
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import again, counted
from fluxgate.judge.verdict import SPEED, Limit, Verdict
from fluxgate.rendering import PHASES

FEWEST = 5  # runs before a median means something
SLOWER = 0.25  # a phase on a GPU fails when it is slower by this share
SECONDS = 0.5  # and by this much, since short phases vary
SLOWER_ON_A_CPU = 1.0  # twice the usual multiple: who shares its caches and its cores makes a processor slower too
SPREADS = 6.0  # and by this many times what the latest runs themselves vary


def speed(evidence: Evidence) -> Verdict:
    """Each phase against the median of the latest runs; slower by a share, and beyond what they vary."""
    rendering, reference = evidence.rendering, evidence.reference
    seconds = {phase: rendering.seconds(phase) for phase in PHASES}
    numbers = {f"seconds {phase}": value for phase, value in seconds.items() if value is not None}
    now = pace(rendering, reference.rendering if reference else None)
    if not now:
        return no_data(evidence, SPEED, _without_pace(evidence), numbers=numbers)
    latest = {phase: evidence.paces.get(phase, ())[-WINDOW:] for phase in now}
    enough = {phase: past for phase, past in latest.items() if len(past) >= FEWEST}
    if not enough:
        return no_data(evidence, SPEED, _too_few(latest), numbers=numbers)
    for phase, past in enough.items():
        limit = _slowest(past, gpu=evidence.gpu)
        if now[phase] > limit.value:
            then = f"Run {again(evidence.case)} with nothing else on the machine."
            sentence = f"{_slower(evidence, phase, now[phase], limit)} {then}"
            return failed(evidence, SPEED, sentence, numbers=numbers, limit=limit)
    runs = counted(max(map(len, enough.values())), "run")
    return passed(evidence, SPEED, f"As fast as the median of the latest {runs} allows.", numbers=numbers)


def _without_pace(evidence: Evidence) -> str:
    """Why there is nothing that could be compared with earlier runs."""
    if evidence.gpu:
        return f"No phase came to its end. Run {again(evidence.case)}."
    named, reference = evidence.case.strategy.promise.reference, evidence.reference
    sentence = f"On a CPU, seconds are judged as multiples of {named}'s in the same run"
    if reference is None or reference.rendering.crash is not None:
        return f"{sentence}, which gave none. Run {again(evidence.case, beside=named)}."
    return f"{sentence}; no phase of it took {LONG_ENOUGH:.0f} s. A subject that takes longer would tell."


def _too_few(latest: Mapping[str, tuple[float, ...]]) -> str:
    have = max(map(len, latest.values()))
    return f"Speed is judged by at least {FEWEST} earlier runs on this machine ({have} so far)."


def _slowest(past: tuple[float, ...], *, gpu: bool) -> Limit:
    middle = median(past)
    spread = median(abs(value - middle) for value in past)
    least = max(SLOWER * middle, SECONDS) if gpu else SLOWER_ON_A_CPU * middle
    most = middle + max(least, SPREADS * spread)
    return Limit(most, "the median of the latest runs and what they vary", mean=middle, spread=spread, n=len(past))


def _slower(evidence: Evidence, phase: str, value: float, limit: Limit) -> str:
    usual, runs = limit.mean or 0.0, counted(limit.n or 0, "earlier run")
    share = figures.percent(value / usual - 1) if usual else "far"
    if evidence.gpu:
        took = f"took {figures.seconds(value)}, {share} more than the {figures.seconds(usual)} of {runs}"
        most = figures.seconds(limit.value)
    else:
        named = evidence.case.strategy.promise.reference
        took = f"kept the processor busy {value:.2f} times as long as {named}'s, {share} more than in {runs}"
        most = f"{limit.value:.2f} times"
    return f"{phase.capitalize()} {took}; at most {most} are within what they vary."

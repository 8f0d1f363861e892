"""Check of a case's seconds against the rolling history of the same machine."""

from __future__ import annotations

from statistics import median

from fluxgate import figures
from fluxgate.compare.pace import WINDOW, pace
from fluxgate.judge.evidence import Answer, Evidence, failed, passed, unsupported
from fluxgate.judge.sentences import again, counted
from fluxgate.judge.verdict import Limit
from fluxgate.rendering import PHASES

FEWEST = 5  # runs before a median means something
SLOWER = 0.25  # a phase on a GPU fails when it is slower by this share
SECONDS = 0.5  # and by this much, since short phases vary
SLOWER_ON_A_CPU = 1.0  # twice the usual multiple: who shares its caches and its cores makes a processor slower too
SPREADS = 6.0  # and by this many times what the history itself varies


def speed(evidence: Evidence) -> Answer:
    """Each phase against the median of the latest runs; slower by a share, and beyond what they vary."""
    rendering = evidence.rendering
    spent = {phase: rendering.seconds(phase) for phase in PHASES}
    numbers = {f"seconds {phase}": value for phase, value in spent.items() if value is not None}
    now = pace(rendering, evidence.reference.rendering if evidence.reference else None)
    if not now:
        return unsupported(
            "On a CPU, seconds are judged as multiples of the reference's in the same run; it has none that took long.",
            numbers=numbers,
        )
    judged = {phase: evidence.history.get(phase, ())[-WINDOW:] for phase in now}
    known = {phase: past for phase, past in judged.items() if len(past) >= FEWEST}
    if not known:
        have = max((len(past) for past in judged.values()), default=0)
        return unsupported(
            f"{counted(have, 'earlier run')} known on this machine; {FEWEST} are needed to judge speed.",
            numbers=numbers,
        )
    for phase, past in known.items():
        limit = _slowest(past, gpu=evidence.gpu)
        if now[phase] > limit.value:
            return _slow(evidence, phase, now[phase], limit, numbers)
    return passed(f"As fast as the median of {max(len(past) for past in known.values())} runs allows.", numbers=numbers)


def _slowest(past: tuple[float, ...], *, gpu: bool) -> Limit:
    middle = median(past)
    spread = median(abs(value - middle) for value in past)
    least = max(SLOWER * middle, SECONDS) if gpu else SLOWER_ON_A_CPU * middle
    most = middle + max(least, SPREADS * spread)
    return Limit(most, "the median of the latest runs and what they vary", mean=middle, spread=spread, n=len(past))


def _slow(evidence: Evidence, phase: str, found: float, limit: Limit, numbers: dict[str, float]) -> Answer:
    usual, runs = limit.mean or 0.0, counted(limit.n or 0, "earlier run")
    share = figures.percent(found / usual - 1) if usual else "far"
    if evidence.gpu:
        told = f"took {figures.seconds(found)}, {share} more than the {figures.seconds(usual)} of {runs}"
        most = figures.seconds(limit.value)
    else:
        named = evidence.case.strategy.promise.reference
        told = f"kept the processor busy {found:.2f} times as long as {named}'s, {share} more than in {runs}"
        most = f"{limit.value:.2f} times"
    sentence = f"{phase.capitalize()} {told}; at most {most} are within what they vary."
    return failed(
        f"{sentence} Run {again(evidence.case)} with nothing else on the machine.", numbers=numbers, limit=limit
    )

"""Check of a case's seconds against the rolling history of the same machine."""

from __future__ import annotations

from statistics import median

from suite import figures
from suite.judge.evidence import Answer, Evidence, failed, passed, unsupported
from suite.judge.sentences import again
from suite.judge.verdict import Limit
from suite.rendering import PHASES

FEWEST = 5  # runs before a median means something
WINDOW = 20  # runs that the median looks back on
SLOWER = 0.25  # a phase fails when it is slower by this share
SECONDS = 0.5  # and by this much, since short phases vary
SPREADS = 6.0  # and by this many times what the history itself varies


def speed(evidence: Evidence) -> Answer:
    """Each phase against the median of the latest runs; slower in percent and in seconds and beyond its spread."""
    rendering = evidence.rendering
    spent = {phase: rendering.seconds(phase) for phase in PHASES}
    numbers = {f"seconds {phase}": value for phase, value in spent.items() if value is not None}
    judged = {phase: evidence.history.get(phase, ())[-WINDOW:] for phase in PHASES if spent[phase] is not None}
    known = {phase: past for phase, past in judged.items() if len(past) >= FEWEST}
    if not known:
        have = max((len(past) for past in judged.values()), default=0)
        return unsupported(
            f"{have} earlier runs on this machine are known; {FEWEST} are needed to judge speed.", numbers=numbers
        )
    for phase, past in known.items():
        limit = _slowest(past)
        if numbers[f"seconds {phase}"] > limit.value:
            return _slow(evidence, phase, numbers, limit)
    return passed(f"As fast as the median of {max(len(past) for past in known.values())} runs allows.", numbers=numbers)


def _slowest(past: tuple[float, ...]) -> Limit:
    middle = median(past)
    spread = median(abs(value - middle) for value in past)
    most = middle + max(SLOWER * middle, SECONDS, SPREADS * spread)
    return Limit(most, "the median of the latest runs and what they vary", mean=middle, spread=spread, n=len(past))


def _slow(evidence: Evidence, phase: str, numbers: dict[str, float], limit: Limit) -> Answer:
    found, middle = numbers[f"seconds {phase}"], limit.mean or 0.0
    share = figures.percent(found / middle - 1) if middle else "far"
    sentence = (
        f"{phase.capitalize()} took {figures.seconds(found)}, {share} more than the {figures.seconds(middle)} that"
    )
    sentence += f" {limit.n} earlier runs took; at most {figures.seconds(limit.value)} are within what they vary."
    return failed(
        f"{sentence} Run {again(evidence.case)} with nothing else on the machine.", numbers=numbers, limit=limit
    )

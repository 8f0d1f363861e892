"""What is red by what varies from rendering to rendering, confirmed by a second one before it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fluxgate import figures
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.suspects import MOST_LIKELY
from fluxgate.judge.verdict import FAILED, Verdict


def confirmed(evidence: Evidence, judge: Callable[[Evidence], Verdict]) -> Verdict:
    """The check's answer; where it is red and the case was rendered once more, the answer to that."""
    first, more = judge(evidence), evidence.once_more
    if first.status != FAILED or more is None:
        return first
    took = f"It was rendered once more, in {figures.seconds(more.rendering.wall_seconds)}"
    if more.rendering.crash is not None:
        return replace(first, sentence=f"{first.sentence} {took}, which crashed: {more.rendering.crash.sentence}")
    second = judge(replace(evidence, rendered=more))
    if second.status == FAILED:
        return replace(second, sentence=f"{second.sentence} {took}, and it is so both times.")
    found, _, _ = first.sentence.partition(f" {MOST_LIKELY}")  # nobody is to be suspected any more
    return replace(second, sentence=f"{second.sentence} {took}; the first time it was not so: {found}")

"""Where good turns bad in a row, when some of what lies between cannot be judged."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import pairwise

from fluxgate.gate.culprit.outcomes import BAD, GOOD, Outcome


def boundary(low: int, high: int, judge: Callable[[int], Outcome], *, share: float = 0.5) -> tuple[int, int]:
    """The last place that is good and the first that is bad, given one of each; what lies between cannot be judged.

    share: how much of the row a first question leaves below it."""
    straddled: set[int] = set()
    while (place := widest(low, high, straddled, share=share)) is not None:
        outcome = judge(place)
        if outcome is GOOD:
            low = place
        elif outcome is BAD:
            high = place
        else:
            straddled.add(place)
    return low, high


def widest(low: int, high: int, asked: Collection[int], *, share: float = 0.5) -> int | None:
    """The place within the longest stretch without any that was asked for, so that a hole is left quickly."""
    edges = [low, *sorted(place for place in asked if low < place < high), high]
    start, end = max(pairwise(edges), key=lambda stretch: stretch[1] - stretch[0])
    length = end - start
    return start + min(max(1, round(length * share)), length - 1) if length > 1 else None

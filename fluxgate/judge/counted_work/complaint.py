"""What is wrong with the work of a call, and in which phases."""

from __future__ import annotations

from dataclasses import dataclass

from fluxgate.compare.work import WorkChange
from fluxgate.judge.sentences import counted

NAMED = 3  # changes that a sentence tells one by one


@dataclass(frozen=True)
class Complaint:
    """Something that is not as it must be, and the phases that it is about; none where it is about a whole call."""

    sentence: str
    phases: tuple[str, ...] = ()


def changed(lead: str, changes: tuple[WorkChange, ...]) -> Complaint:
    return Complaint(f"{lead}: {told(changes)}", tuple(change.phase for change in changes[:NAMED]))


def told(changes: tuple[WorkChange, ...]) -> str:
    """`denoise calls transformer 6 times instead of 3; …; and 40 more counters differ`."""
    sentences = [change.sentence for change in changes[:NAMED]]
    more = len(changes) - len(sentences)
    differ = "differs" if more == 1 else "differ"
    return "; ".join(sentences) + (f"; and {counted(more, 'more counter')} {differ}" if more else "")

"""What a node is asked, and what it answers: plain values, as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from fluxgate.machine import Machine, Stack
from fluxgate.strategies.record import StrategyRecord
from fluxgate.subjects.subject import Subject


@dataclass(frozen=True)
class Job:
    """Render one case, without what it is compared with."""

    subject: Subject
    strategy: StrategyRecord  # as it was settled for the whole session
    machine: Machine  # that the session was planned for
    stack: Stack
    timeout: float
    pipelines: tuple[str, ...]  # the classes of all the session's cases
    takes: int | None = None
    vram_limit: int | None = None


@dataclass(frozen=True)
class News:
    """One thing that a runner has to tell. The last one says that the case ended, was refused, or died."""

    says: str | None = None  # a line of progress
    ended: bool = False  # the case was rendered, crashed or not, and its folder can be fetched
    refused: str | None = None  # why the node cannot render it: that is not the case's doing
    died: str | None = None  # how the process ended that should have rendered it

    @property
    def last(self) -> bool:
        return self.ended or self.refused is not None or self.died is not None


@dataclass(frozen=True)
class Description:
    """What a node says of itself."""

    version: str  # of Fluxgate
    engine: str  # a hash of its code
    machine: Machine
    stack: Stack
    pipelines: dict[str, str] = field(default_factory=dict)  # subject -> a hash that tells its pipeline from others
    unready: dict[str, str] = field(default_factory=dict)  # subject -> why it cannot be rendered there

"""The stages an environment goes through before anything is rendered, and how one of them fails."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MOST_LOG = 4000  # characters of a log that a failure keeps


class Stage(StrEnum):
    """What comes before a pipeline is loaded."""

    RESOLVE = "resolve"
    INSTALL = "install"
    IMPORT = "import"


class Cause(StrEnum):
    """Why a stage failed."""

    CONFLICT = "conflict"  # the requirements contradict each other
    NO_SUCH_VERSION = "no such version"
    NOT_BUILT = "not built"  # a source distribution that could not be made into a wheel
    NOT_AS_ASKED = "not as asked"  # what is installed, or was imported, is another version
    NOT_IMPORTED = "not imported"
    OTHER = "other"


@dataclass(frozen=True)
class StageFailure:
    """What is wrong with a stack. What is wrong with this day (no network, a full disk) is a Refusal instead."""

    stage: Stage
    cause: Cause
    sentence: str
    log: str  # the end of what the stage printed

    @classmethod
    def of(cls, stage: Stage, cause: Cause, sentence: str, *, log: str = "") -> StageFailure:
        """A failure that keeps the end of the log."""
        return cls(stage, cause, sentence, log[-MOST_LOG:])

"""The result of a gate as plain data, for whoever shows or reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from fluxgate.judge.sentences import listed
from fluxgate.machine import Machine
from fluxgate.rendering import without_call

SCHEMA = 1
MOST_UNASKED = 8  # packages that one sentence names
MOST_WORK = 3  # counters that a report tells of each case; the result itself has more
IN_A_STEP = re.compile(r" (in|for) step \d+$")  # ends the names of stages that there are several of
INCUMBENT, CANDIDATE = STACKS = ("incumbent", "candidate")


class Answer(StrEnum):
    """Is this upgrade safe?"""

    SAFE = "safe"
    DRIFT = "safe with drift"
    NOT_SAFE = "not safe"
    CANNOT_TELL = "cannot tell"


class CaseOutcome(StrEnum):
    """What an upgrade did to one case; a closed list."""

    IDENTICAL = "identical"  # every picture, stage, noise level and byte
    DRIFTED = "drifted"  # pictures within measured noise, and neither inventory nor noise levels moved
    CHANGED = "changed"
    BROKEN = "broken"  # it crashes, or fails a check that it passed
    FIXED = "fixed"  # the other way round
    LOST = "lost"  # the incumbent can run it, the candidate cannot
    GAINED = "gained"
    UNSTEADY = "unsteady"  # what differs says nothing: it is not the same twice, or starts from other noise
    CANNOT_RUN = "cannot run"  # in neither


BAD = (CaseOutcome.CHANGED, CaseOutcome.BROKEN, CaseOutcome.LOST)


class Trend(StrEnum):
    """How memory or seconds moved."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    UNDECIDED = "undecided"  # too few measurements, or they vary too much


@dataclass(frozen=True)
class Move:
    """One package that changes between two stacks. None is not installed."""

    package: str
    old: str | None
    new: str | None
    yanked: bool = False  # whether the index has taken the new release back

    def __str__(self) -> str:
        if self.old is None:
            return f"{self.package} {self.new} (new)"
        yanked = ", which is yanked" if self.yanked else ""
        return f"{self.package} {self.old} " + (f"→ {self.new}{yanked}" if self.new is not None else "(removed)")


class Way(StrEnum):
    """Where a package went; a closed list."""

    NEWER = "newer"
    OLDER = "older"
    NEW = "new"
    REMOVED = "removed"
    OTHER = "other"  # another build, or versions of which nobody knows the order


@dataclass(frozen=True)
class Unasked:
    """A package that came along, though nobody had asked for it: the resolver moved it."""

    package: str
    way: Way
    because: str = ""  # a clause: who depends on what, so that it could not stay as it was

    @property
    def told(self) -> str:
        """`huggingface-hub (older: transformers 5.24.0 depends on huggingface-hub<2)`."""
        return f"{self.package} ({self.way}: {self.because})" if self.because else f"{self.package} ({self.way})"

    @property
    def named(self) -> str:
        """The same, with a reason only where it was taken back: what is newer mostly surprises nobody."""
        return self.told if self.way is Way.OLDER else f"{self.package} ({self.way})"


@dataclass(frozen=True)
class FigureResult:
    """A figure of a case in both stacks, each the mean of what was measured."""

    trend: Trend
    figure: str  # of memory: "allocated", "reserved", "driver" or "host"; or "seconds"
    phase: str  # or "whole"
    before: float | None  # bytes or seconds
    after: float | None
    reason: str = ""  # a clause without a full stop: by how much, and what is allowed


@dataclass(frozen=True)
class CaseResult:
    """What became of one case."""

    case_id: str
    subject: str
    strategy: str
    outcome: CaseOutcome
    reason: str  # without a full stop
    stage: str | None = None  # the first that differs
    shots: tuple[str, ...] = ()  # whose pictures moved
    pictures_compared: int = 0
    pictures_moved: int = 0
    least_ssim: float | None = None
    largest_difference: float | None = None  # of any pixel, in levels of 255
    inventory: tuple[str, ...] = ()  # every change, before → after
    work: tuple[str, ...] = ()  # what was done another number of times, the most telling first
    checks: tuple[str, ...] = ()  # that fail now and did not, or the other way round
    given: tuple[str, ...] = ()  # stages that differ though run from the same given inputs: none hides the next
    memory: FigureResult | None = None  # the figure that moved most, of those that moved
    seconds: FigureResult | None = None
    crashed_during: str | None = None  # the phase in which the candidate crashes
    other_noise: bool = False  # torch draws other numbers: the pictures cannot be held to each other

    @property
    def is_bad(self) -> bool:
        return self.outcome in BAD

    @property
    def crashes_in_both(self) -> bool:
        """Whether it is the same because there is nothing that could differ."""
        return self.outcome is CaseOutcome.IDENTICAL and not self.pictures_compared

    @property
    def moved_by_itself(self) -> tuple[str, ...]:
        """The stages that moved though they were given the same, in whichever call and step; none where `stage` says as
        much."""
        stages = tuple(dict.fromkeys(IN_A_STEP.sub("", without_call(stage)) for stage in self.given))
        return () if stages == (self.stage,) else stages


@dataclass(frozen=True)
class EvidenceResult:
    """What was seen of one case where the incumbent had nothing but the culprit's moves."""

    case_id: str | None  # None: of no case; the stack cannot be imported
    outcome: str
    stage: str | None = None
    shots: tuple[str, ...] = field(default=(), compare=False)  # two that differ in this and the next tell the same
    reason: str = field(default="", compare=False)


@dataclass(frozen=True)
class ReleasesResult:
    """At which release, or commit of a checkout, a package turned bad."""

    package: str
    sentence: str
    good: str | None  # the last that passes
    bad: str | None  # the first that fails after it
    between: tuple[str, ...] = ()  # that could not be judged
    environments: int = 0


@dataclass(frozen=True)
class CulpritResult:
    """Who is to blame."""

    kind: str  # "single", "interaction", "several", "not separable", "cannot tell" or "none"
    sentence: str
    packages: tuple[Move, ...]  # to blame, with their versions old → new
    suspects: tuple[Move, ...] = ()  # where it cannot be told who of them
    evidence: tuple[EvidenceResult, ...] = ()
    pin: tuple[str, ...] = ()  # `name==version`: with these the candidate was seen to be good
    environments: int = 0  # how many were tried beside the two
    unresolved: tuple[str, ...] = ()  # whole sentences: what could not be told, and why
    releases: tuple[ReleasesResult, ...] = ()

    @property
    def unresolved_beside(self) -> tuple[str, ...]:
        """What is unresolved and not in the sentence already."""
        return tuple(one for one in self.unresolved if one not in self.sentence)


_TOLD = (Way.OLDER, Way.REMOVED, Way.NEWER, Way.OTHER, Way.NEW)


@dataclass(frozen=True)
class GateResult:
    """What `fluxgate gate` writes."""

    id: str  # the name of its folder
    answer: Answer
    sentence: str
    machine: Machine
    incumbent: dict[str, str]  # the whole stacks, package by package
    candidate: dict[str, str]
    moves: tuple[Move, ...]
    tier: str
    command: str
    started: str  # UTC, ISO 8601
    contrasts: tuple[str, ...] = ()  # what stands out among the cases, each a sentence
    cases: tuple[CaseResult, ...] = ()
    failed_stage: str | None = None  # at which the candidate failed, if it was not rendered
    culprit: CulpritResult | None = None
    next: str = ""  # what to do next, a sentence; it ends with the command for it, if there is one
    seconds: dict[str, float] = field(default_factory=dict)  # what the gate did -> how long that took
    runs: dict[str, str] = field(default_factory=dict)  # "incumbent", "candidate" -> the run, as seen from this file
    next_command: str = ""  # this command alone, as a shell takes it
    unasked: tuple[Unasked, ...] = ()  # of what moved; of two files of pins, nothing is
    schema: int = SCHEMA

    @property
    def next_words(self) -> str:
        """What to do next, without the command for it."""
        return f"{self.next.removesuffix(f': {self.next_command}')}." if self.next_command else self.next

    @property
    def told_moves(self) -> tuple[Move, ...]:
        """What moved, as it is told: what is new was seldom asked for, so it comes last."""
        return tuple(sorted(self.moves, key=lambda move: move.old is None))

    @property
    def told_unasked(self) -> str:
        """What came along unasked, in a sentence, what was taken back first; empty where nothing did."""
        if not self.unasked:
            return ""
        number, ordered = len(self.unasked), sorted(self.unasked, key=lambda one: _TOLD.index(one.way))
        of = (
            "it"
            if len(self.moves) == 1
            else "them"
            if number == len(self.moves)
            else f"{'one' if number == 1 else number} of them"
        )
        return f"Nobody asked for {of}: {listed((one.named for one in ordered), MOST_UNASKED)}."

    @property
    def unasked_blame(self) -> str:
        """Which of those who are to blame came along unasked, in a sentence; empty where none did."""
        blamed = self.culprit.packages or self.culprit.suspects if self.culprit else ()
        told = [one.told for one in self.unasked if one.package in {move.package for move in blamed}]
        return f"{listed(told, MOST_UNASKED)} came along with what was asked for." if told else ""

    @property
    def came_along(self) -> dict[str, str]:
        """Of each package that nobody asked for, a clause for a table."""
        clauses = {one.package: f"came along, {one.way}" for one in self.unasked}
        return {one.package: ": ".join(filter(None, (clauses[one.package], one.because))) for one in self.unasked}

    @property
    def held_on(self) -> str:
        """`AMD EPYC, torch 2.13.0`; a torch that moves is told among what moves."""
        moves = any(move.package == "torch" for move in self.moves)
        return self.machine.name if moves else f"{self.machine.name}, torch {self.machine.torch}"

    @property
    def pin(self) -> tuple[str, ...]:
        """What to pin, `name==version` each."""
        return self.culprit.pin if self.culprit else ()

"""Outcome: what became of one fault, and what a list of outcomes says about the judge."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from fluxgate.judge.verdict import CRASHED
from fluxgate.prove.fault import Fault

INVITATION = "fluxgate accept"
SUSPECTED, WORD = re.compile(r"[Mm]ost likely ([^.]+)"), re.compile(r"[a-z][a-z0-9_-]*")
JUDGED, INAPPLICABLE, UNSUPPORTED = "judged", "not in this release", "cannot run here"
UNCLEAN = "crashes without the fault, too"  # nothing to hold the faulty run against


class With(Enum):
    """What a faulty run is held to."""

    BASELINE = "baseline"  # accepted on this machine, from the same libraries without the fault
    SHIPPED = "shipped"  # what comes with Fluxgate for any machine
    NOTHING = "nothing"  # nothing that was accepted: --no-baseline


@dataclass(frozen=True)
class Catch:
    """A check that a fault turned red."""

    strategy: str
    check: str
    status: str
    sentence: str
    stage: str | None


@dataclass(frozen=True)
class Outcome:
    """What became of a fault on one machine."""

    fault: str
    status: str  # JUDGED, or why it was not
    why: str = ""
    machine: str = ""
    device: str = ""
    stack: dict[str, str] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)  # strategy -> how often the fault did something
    catches: dict[str, tuple[Catch, ...]] = field(default_factory=dict)  # With.value -> checks that turned red
    seconds: float = 0.0
    proved_by: str = ""  # a hash of the releases and of the Fluxgate that proved it; older outcomes have none

    def caught(self, held_to: With) -> bool:
        return bool(self.catches.get(held_to.value))

    @property
    def did_something(self) -> bool:
        return any(self.fired.values())

    def stage(self, held_to: With) -> str | None:
        """The earliest verdict that names a stage."""
        return next((catch.stage for catch in self.catches.get(held_to.value, ()) if catch.stage), None)

    def names(self, packages: Iterable[str], held_to: With) -> bool:
        """Whether one of the packages is among those that a sentence says most likely did it, or a crash's own words
        name it."""
        words: set[str] = set()
        for catch in self.catches.get(held_to.value, ()):
            told = [catch.sentence] if catch.status == CRASHED else SUSPECTED.findall(catch.sentence)
            words.update(word for part in told for word in WORD.findall(part.lower()))
        return not words.isdisjoint(packages)

    def invites(self, held_to: With) -> bool:
        """Whether any sentence about the fault invites to accept it."""
        return any(INVITATION in catch.sentence for catch in self.catches.get(held_to.value, ()))


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    part: int
    whole: int

    def __str__(self) -> str:
        share = f" ({self.part / self.whole:.0%})" if self.whole else ""
        return f"{self.part} of {self.whole}{share}"


@dataclass(frozen=True)
class Rates:
    """What the outcomes say, of the faults that did something and could be seen."""

    caught: dict[str, Share]  # With.value -> share
    stage: Share  # named right, of those that move a picture and were caught with a baseline
    package: Share  # named, of those that were caught with a baseline
    inviting: int  # faults about which any sentence invites to accept
    silent: tuple[str, ...]  # faults that never did anything
    equivalent: tuple[str, ...]
    alarms: tuple[str, ...]  # equivalent ones that were "caught" all the same


def rates(pairs: Iterable[tuple[Fault, Outcome]]) -> Rates:
    """The rates over the faults that were judged; those that only take time have a history to be caught by."""
    judged = [(fault, outcome) for fault, outcome in pairs if outcome.status == JUDGED]
    fired = [(fault, outcome) for fault, outcome in judged if outcome.did_something]
    seen = [(fault, outcome) for fault, outcome in fired if fault.equivalent is None and not fault.only_time]
    caught = [(fault, outcome) for fault, outcome in seen if outcome.caught(With.BASELINE)]
    staged = [(fault, outcome) for fault, outcome in caught if fault.stage is not None]
    return Rates(
        caught={one.value: Share(sum(outcome.caught(one) for _, outcome in seen), len(seen)) for one in With},
        stage=Share(sum(outcome.stage(With.BASELINE) == fault.stage for fault, outcome in staged), len(staged)),
        package=Share(sum(outcome.names(fault.packages, With.BASELINE) for fault, outcome in caught), len(caught)),
        inviting=sum(any(outcome.invites(one) for one in With) for _, outcome in seen),
        silent=tuple(fault.name for fault, outcome in judged if not outcome.did_something),
        equivalent=tuple(fault.name for fault, outcome in fired if fault.equivalent is not None),
        alarms=tuple(
            fault.name
            for fault, outcome in fired
            if fault.equivalent is not None and any(outcome.caught(one) for one in With)
        ),
    )

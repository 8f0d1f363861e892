"""Verdict: the answer to one check of one case, with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field

from fluxgate.baselines.limits import Limit as Limit
from fluxgate.rendering import id_of_case

# The closed list of statuses. Every cell of subject × strategy × check has exactly one, if the check applies to it.
PASSED, FAILED, CRASHED, KNOWN_FAILURE, UNSUPPORTED, NO_DATA, NOT_SELECTED = STATUSES = (
    "passed",
    "failed",
    "crashed",
    "known failure",
    "unsupported",  # cannot run here
    "no data",  # nothing to judge by yet
    "not selected",
)

TWICE = "renders the same twice"
PROMISE = "keeps its promise to its reference"
BASELINE = "matches its baseline"
ORACLE = "agrees with the oracle"
SCENE = "shows what the prompt asks"
CEILING = "stays under its ceiling"
LESS = "uses less than its promise names"
GIVES_BACK = "gives everything back"
HOST = "host memory under its ceiling"
EFFECT = "took effect"
INVENTORY = "inventory unchanged"
WEIGHTS = "holds the file's weights"
WORK = "does the same work"
SPEED = "as fast as before"

NEW_WARNINGS = "new warnings"  # in the numbers of a check that passed: how many there are

PICTURE_CHECKS = (TWICE, PROMISE, BASELINE, ORACLE, SCENE)
MEMORY_CHECKS = (CEILING, LESS, GIVES_BACK, HOST)
EFFECT_CHECKS = (EFFECT, INVENTORY, WEIGHTS)
SPEED_CHECKS = (WORK, SPEED)
CHECKS = PICTURE_CHECKS + MEMORY_CHECKS + EFFECT_CHECKS + SPEED_CHECKS

# Asked of a library by itself, whatever case uses it.
IMPORTS = "can be imported"
NF4 = "quantizes NF4 as published"
LIBRARY_CHECKS = (IMPORTS, NF4)

# Asked by a gate of each of its cases.
INCUMBENT = "matches the incumbent"


@dataclass(frozen=True)
class Verdict:
    """One check's answer: a status, one sentence, and the evidence."""

    subject: str
    strategy: str
    check: str
    status: str
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)
    limit: Limit | None = None
    pictures: dict[str, str] = field(default_factory=dict)  # "expected", "actual", "difference" -> path within the run
    stage: str | None = None  # where the case first left its reference
    suspects: str | None = None  # who most likely did it: "diffusers or accelerate"

    @property
    def case_id(self) -> str:
        return id_of_case(self.subject, self.strategy)

    @property
    def line(self) -> str:
        """The sentence with the case that it is about."""
        return f"{self.case_id}: {self.sentence}"

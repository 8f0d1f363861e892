"""Approvals: what a person decided on a page about the cases of a run, as the page writes it down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fluxgate.files import read_plain
from fluxgate.refusal import Refusal

SCHEMA = 1
FILE = "approvals.json"


@dataclass(frozen=True)
class Seen:
    """A picture that was on the page when the decision was made."""

    shot: str
    index: int
    sha256: str  # of the exact array, as in the rendering


@dataclass(frozen=True)
class Decision:
    """What a person decided about one case."""

    case: str
    decision: Literal["approved", "rejected"]
    note: str
    pictures: tuple[Seen, ...]


@dataclass(frozen=True)
class Approvals:
    """All decisions about one run. A case that nobody decided about is not among them."""

    run: str  # its id
    made: str  # UTC, ISO 8601
    decisions: tuple[Decision, ...]
    schema: int = SCHEMA


def read_approvals(path: Path) -> Approvals:
    """The decisions that a page wrote; what is none, or of a newer format, is refused."""
    approvals = read_plain(path, Approvals)
    if approvals.schema != SCHEMA:
        raise Refusal(f"{path} has the schema {approvals.schema}, and {SCHEMA} is read here.")
    cases = [decision.case for decision in approvals.decisions]
    twice = next((case for case in cases if cases.count(case) > 1), None)
    if twice is not None:
        raise Refusal(f"{path} decides twice about {twice[:120]!r}.")
    return approvals

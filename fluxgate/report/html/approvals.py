"""Approvals: what a person decided on a page about the cases of a run, as the page writes it down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fluxgate.baselines.picture_changes import on_all_cores
from fluxgate.files import is_name, read_plain
from fluxgate.judge.sentences import listed
from fluxgate.refusal import Refusal
from fluxgate.rendering import Picture
from fluxgate.report.escaping import plain
from fluxgate.runs.pictures import sound_pixels
from fluxgate.runs.run import Run

SCHEMA = 1
FILE = "approvals.json"
APPROVED = "approved"


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


def approved_cases(path: Path, run: Run) -> dict[str, str]:
    """The cases of a run that were approved, each with its note; a refusal unless the run is still what was looked at.

    Whatever was decided, about whichever case, must have been decided about the pictures that the run has now."""
    approvals = read_approvals(path)
    if approvals.run != run.id:
        raise Refusal(f"{path} is about the run {approvals.run[:120]!r}, and {run.folder} is {run.id}.")
    for decision in approvals.decisions:
        _refuse_other_pictures(path, decision, run)
    approved = {one.case: plain(one.note).strip() for one in approvals.decisions if one.decision == APPROVED}
    if not approved:
        raise Refusal(f"{path} approves nothing, so there is nothing to accept.")
    return approved


def _refuse_other_pictures(path: Path, decision: Decision, run: Run) -> None:
    """A rejected case may have none: one that crashed can be rejected, too."""
    rendering = run.rendered(decision.case) if is_name(decision.case) else None
    if rendering is None:
        raise Refusal(f"{path} decides about {decision.case[:120]!r}, which {run.folder} has no rendering of.")
    pictures = {(one.shot, one.index): one for one in rendering.pictures if one.take == 0}
    seen = {(one.shot, one.index): one.sha256 for one in decision.pictures}
    if not seen and decision.decision != APPROVED:
        return
    if seen != {key: one.sha256 for key, one in pictures.items()} or len(seen) < len(decision.pictures):
        others = listed(f"shot {shot!r}" for shot in _unlike(seen, pictures))
        raise Refusal(
            f"{path} {decision.decision} other pictures of {decision.case} than {run.folder} has ({others}): "
            "make the page again, and look again."
        )
    on_all_cores(lambda one: sound_pixels(one, run.case_folder(decision.case)), pictures.values())


def _unlike(seen: dict[tuple[str, int], str], pictures: dict[tuple[str, int], Picture]) -> Iterable[str]:
    """The shots of which another picture, or another number of them, was looked at."""
    return dict.fromkeys(
        key[0][:60]
        for key in (*pictures, *seen)
        if key not in pictures or key not in seen or pictures[key].sha256 != seen[key]
    )

"""What a gate found as the plain value that reports show."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from fluxgate.gate.culprit import bisection
from fluxgate.gate.culprit.bisection import Range
from fluxgate.gate.culprit.finding import Finding, sentence
from fluxgate.gate.environments.pins import parse_changes
from fluxgate.gate.environments.stages import Cause
from fluxgate.gate.gate import Gated
from fluxgate.gate.holding import Held
from fluxgate.gate.probing import Evidence
from fluxgate.report.gate_folder import place_of
from fluxgate.report.gate_result import (
    Answer,
    CulpritResult,
    GateResult,
    Move,
    ReleasesResult,
    Unasked,
    Way,
)

KEEP = "Keep the incumbent."
CHECK = "Check the name, the version and where it is looked for; until it is found, keep the incumbent."


@dataclass(frozen=True)
class About:
    """What there is to say of a gate itself."""

    folder: Path
    tier: str
    command: str
    started: datetime.datetime
    upgrade: tuple[str, ...] = ()  # of the command: the changes, or two files
    files: bool = False  # whether it is two files

    @property
    def asked(self) -> frozenset[str]:
        """The packages that the changes name; none of two files."""
        changes = () if self.files else parse_changes(self.upgrade)
        return frozenset(str(canonicalize_name(change.name)) for change in changes)

    def command_of(self, changes: Iterable[str]) -> str:
        """The same command for other changes: with the same incumbent, cases and wheels."""
        options = [word for word in shlex.split(self.command)[2:] if word not in (*self.upgrade, "--")]
        return shlex.join(["fluxgate", "gate", *changes, *options])


def as_plain(held: Held, about: About) -> GateResult:
    """What a gate found, without anything that only this process can use."""
    gated, culprit = held.gated, None if held.finding is None else _culprit(held.finding, held.ranges)
    words, run = _next(gated, culprit, about)
    return GateResult(
        id=about.folder.name,
        answer=gated.decision.answer,
        sentence=gated.decision.sentence,
        machine=gated.machine,
        incumbent=gated.incumbent,
        candidate=gated.candidate,
        moves=gated.moves,
        tier=about.tier,
        command=about.command,
        started=about.started.isoformat(timespec="seconds"),
        contrasts=gated.decision.contrasts,
        cases=gated.outcomes,
        failed_stage=gated.stage,
        culprit=culprit,
        next=f"{words.rstrip('.')}: {run}" if run else words,
        next_command=run,
        unasked=tuple(_unasked(gated, about)),
        seconds=held.seconds,
        runs={name: place_of(run, gate=about.folder) for name, run in gated.runs.items()},
    )


def _unasked(gated: Gated, about: About) -> Iterator[Unasked]:
    """What moved beside what was asked for: the resolver moved it. Of two files of pins, all was asked for."""
    if about.files or not about.upgrade:
        return
    asked = about.asked
    for move in gated.moves:
        if move.package not in asked:
            yield Unasked(move.package, _way(move), gated.needed.get(move.package, ""))


def _way(move: Move) -> Way:
    if move.old is None or move.new is None:
        return Way.NEW if move.old is None else Way.REMOVED
    try:
        old, new = Version(move.old), Version(move.new)
    except InvalidVersion:
        return Way.OTHER
    return Way.NEWER if new > old else Way.OLDER if new < old else Way.OTHER


def _culprit(finding: Finding[Evidence], ranges: Sequence[Range[Evidence]]) -> CulpritResult:
    seen = [one for culprit in finding.culprits for one in culprit.evidence or ()] or list(finding.evidence or ())
    return CulpritResult(
        kind=finding.kind.value,
        sentence=sentence(finding),
        packages=finding.moves,
        suspects=finding.suspects,
        evidence=tuple(dict.fromkeys(seen)),
        pin=tuple(f"{move.package}=={move.old}" for move in finding.held_back if move.old is not None),
        environments=finding.environments,
        unresolved=finding.unresolved,
        releases=tuple(map(_releases, ranges)),
    )


def _releases(turn: Range[Evidence]) -> ReleasesResult:
    return ReleasesResult(
        package=turn.package,
        sentence=bisection.sentence(turn),
        good=turn.good,
        bad=turn.bad,
        between=tuple(one.version for one in turn.between),
        environments=turn.environments,
    )


def _next(gated: Gated, culprit: CulpritResult | None, about: About) -> tuple[str, str]:
    """What to do next, and the command for it if there is one."""
    if gated.cause == Cause.NO_SUCH_VERSION:
        return CHECK, ""
    answer, rendered = gated.decision.answer, any(one.pictures_compared for one in gated.outcomes)
    if answer is Answer.NOT_SAFE:
        return _after_not_safe(gated, culprit, about)
    if answer is not Answer.CANNOT_TELL:
        return (
            "Install the candidate, then accept it.",
            f"{shlex.join(['fluxgate', 'accept', str(about.folder)])} --because '…'",
        )
    if gated.outcomes and not rendered:
        return "Begin with an incumbent that renders: --python PATH, or --incumbent PACKAGE==VERSION.", ""
    if any(one.other_noise for one in gated.outcomes):
        shown = ["fluxgate", "report", str(about.folder), "--format", "html", "--output", "gate.html"]
        return "Look at the pictures of both.", shlex.join(shown)
    return "Run it again on a quiet machine: both stacks are rendered anew.", ""


def _after_not_safe(gated: Gated, culprit: CulpritResult | None, about: About) -> tuple[str, str]:
    """What is left of the upgrade without the culprit, if that was seen to pass."""
    held_back = _held_back(culprit)
    rest = [f"{one.package}=={one.new}" for one in _left(gated, held_back, about) if one.new]
    if not (held_back and rest):
        alone = _likeliest(culprit, about)
        return ("Keep the incumbent, or gate the likeliest alone.", about.command_of([alone])) if alone else (KEEP, "")
    if about.files:
        pins = "those pins" if culprit is not None and len(culprit.pin) > 1 else "that pin"
        return f"Write {pins} into {about.upgrade[-1]}: the rest of the upgrade passes.", ""
    # What the resolver has moved by itself it would move again.
    kept = [pin for pin in (culprit.pin if culprit else ()) if pin.partition("==")[0] not in about.asked]
    return "Without that it passes.", about.command_of([*rest, *kept])


def _likeliest(culprit: CulpritResult | None, about: About) -> str | None:
    """The most suspected of packages that could not be told apart, as a change: alone, it brings other releases along
    than the whole upgrade does. None where it was asked for alone, or comes of a file."""
    if culprit is None or len(culprit.packages) < 2 or about.files:
        return None
    first, asked = culprit.packages[0], about.asked
    return f"{first.package}=={first.new}" if first.package in asked and len(asked) > 1 else None


def _held_back(culprit: CulpritResult | None) -> set[str]:
    """The packages that are pinned to what they were; and of those to blame, the ones that were not there before."""
    if culprit is None:
        return set()
    return {*(pin.partition("==")[0] for pin in culprit.pin), *(one.package for one in culprit.packages if not one.old)}


def _left(gated: Gated, held_back: Collection[str], about: About) -> Iterator[Move]:
    """The other moves; of changes, those that were asked for, which bring the rest along."""
    asked = about.asked
    yield from (one for one in gated.moves if one.package not in held_back and (not asked or one.package in asked))

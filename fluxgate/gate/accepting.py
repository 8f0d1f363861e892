"""Accepting an upgrade: the pins that move together with the baselines."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from fluxgate.baselines.companion import Companion
from fluxgate.gate.environments.pin_files import COMMENT, read_pins
from fluxgate.gate.environments.pins import UNREADABLE, applies, fits
from fluxgate.judge.sentences import counted, listed
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import CANDIDATE, CaseOutcome, GateResult, Move

_HASHED = re.compile(r"^[^#]*\s--hash[=\s]", re.MULTILINE)
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)(?P<equals>\s*==\s*)(?P<version>[^\s;#\\]+)")
UNMOVED = (CaseOutcome.IDENTICAL, CaseOutcome.CANNOT_RUN)


def moved_pins(result: GateResult, path: Path) -> Companion:
    """A file of pins with what the gate's upgrade moves in it; all else stays as it is written."""
    if CANDIDATE not in result.runs:
        raise Refusal(f"The candidate of gate {result.id} was not rendered: there is nothing to accept.")
    if not path.is_file():
        raise Refusal(f"{path} is missing; name the file whose pins move with the baselines: --pins FILE.")
    pins, before = read_pins(path), path.read_text(encoding="utf-8")
    if _HASHED.search(before):
        raise Refusal(
            f"{path} has hashes, which would be those of other files: make it anew with the candidate's versions, by "
            f"what made it, and accept the candidate's run."
        )
    for move in result.moves:
        pinned = pins.versions.get(move.package)
        if not (fits(move.old, pinned) or fits(move.new, pinned)):
            found = f"{path} has {move.package} {pinned or '(none)'}, and the incumbent had {move.old or 'none'}"
            raise Refusal(f"{found}: gate the upgrade from what is pinned, then accept that.")
    return Companion(path, before, _moved(before, {move.package: move for move in result.moves}))


def refuse_partial(result: GateResult, accepted: set[str]) -> None:
    """Refuse an upgrade that moves some of the accepted cases where others were not rendered with it."""
    moved = [case for case in result.cases if case.outcome not in UNMOVED]
    left_out = sorted(accepted - {case.case_id for case in result.cases})
    if moved and left_out:
        raise Refusal(
            f"{counted(len(moved), 'case')} moved, and of the accepted ones {listed(left_out, 3)} were not rendered "
            f"with the candidate: run the gate with --tier all, and accept that."
        )


def refuse_left_out(result: GateResult, accepted: Collection[str]) -> None:
    """Refuse to move pins for cases that moved and are not accepted with them: rejected, or not decided about."""
    moved = [case.case_id for case in result.cases if case.outcome not in UNMOVED]
    left_out = [case_id for case_id in moved if case_id not in accepted]
    if left_out:
        raise Refusal(
            f"{listed(left_out, 3)} moved too and would not be accepted, while the pins move for every case: "
            f"accept all {counted(len(moved), 'case')} that moved, or keep the incumbent."
        )


def lines_of(pins: Companion) -> list[str]:
    """What changes in the file of pins, line by line."""
    before, after = pins.before.splitlines(), pins.after.splitlines()
    gone = [f"{pins.path}: -{line}" for line in before if line not in after]
    return [*gone, *(f"{pins.path}: +{line}" for line in after if line not in before)]


def _moved(text: str, moves: dict[str, Move]) -> str:
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        pin = _PIN.match(line) if _applies(line) else None
        move = moves.pop(canonicalize_name(pin["name"]), None) if pin else None
        if pin is None or move is None:
            lines.append(line)
        elif move.new is not None:
            lines.append(f"{pin['name']}{pin['equals']}{_built_as(pin['version'], move.new)}{line[pin.end() :]}")
    for name, move in sorted(moves.items()):
        if move.new is not None:
            _insert(lines, name, f"{name}=={_released(move.new)}\n")
    return "".join(lines)


def _applies(line: str) -> bool:
    """Whether a pin is one for this Python; another one's stays as it is."""
    with suppress(*UNREADABLE):
        return applies(Requirement(COMMENT.sub("", line).strip()))
    return False


def _insert(lines: list[str], name: str, line: str) -> None:
    """Before the first pin whose name comes after this one."""
    pins = ((place, _PIN.match(text)) for place, text in enumerate(lines))
    later = (place for place, pin in pins if pin and canonicalize_name(pin["name"]) > name)
    lines.insert(next(later, len(lines)), line)


def _built_as(before: str, new: str) -> str:
    """The new version, with its build only where the old one named a build."""
    return new if "+" in before else _released(new)


def _released(version: str) -> str:
    try:
        return Version(version).public
    except InvalidVersion:
        return version

"""What would move in a stack if something in it were changed."""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.consistency import unmet
from fluxgate.gate.environments.installers import Installer, Objection, Plan, Question
from fluxgate.gate.environments.interpreters import ask
from fluxgate.gate.environments.pins import Moves, Pins, exact_version, fits
from fluxgate.gate.environments.stages import Cause, Stage, StageFailure
from fluxgate.gate.environments.steps import refusing_a_failing_disk, step
from fluxgate.locks import Say, silent
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import Move

NEAR = 0.8  # of 1: how alike two names are of which one may be misspelt


def resolve(
    incumbent: Built, changes: Sequence[Requirement], *, installer: Installer, report: Say = silent
) -> Moves | StageFailure:
    """What moves if these changes are made to the incumbent; all else stays as far as the changes admit it.

    Everything installed is asked for again, so that nothing moves away from what another package needs. Exempt is
    what is at odds with the incumbent already: else its repair would be taken for a consequence of the changes. Where
    even the incumbent cannot be resolved for that, the changes are not to blame, and it is refused."""
    interpreter = ask(incumbent.python)
    changing = {canonicalize_name(change.name) for change in changes}
    odds = unmet(interpreter.pins, interpreter.requires)
    for one in odds:
        report(f"{one}, which the incumbent does not have: {one.package} is left as it is.")
    at_odds = {one.package for one in odds}
    kept = [package for package in incumbent.pins.versions if package not in changing and package not in at_odds]
    question = Question(
        python=incumbent.python,
        requirements=(*map(str, changes), *kept),
        newest=_open(changes, incumbent.pins),
    )
    plan = _planned_in_a_step(question, changes, installer=installer, report=report)
    if isinstance(plan, StageFailure):
        if odds and isinstance(_planned(Question(incumbent.python, kept), installer), StageFailure):
            raise Refusal(
                f"{odds[0]}, which the incumbent does not have, and no installer can add: {plan.sentence.rstrip('.')}. "
                f"Install it beside the incumbent first, or gate from a Python that lacks {odds[0].package}."
            )
        plan = _with_nearest(plan, changes, incumbent.pins)
        _refuse_unknown(plan, changes, incumbent.pins)
        return plan
    moves = (
        Move(package, incumbent.pins.versions.get(package), planned.version, planned.yanked)
        for package, planned in sorted(plan.items())
    )
    return tuple(move for move in moves if not fits(move.old, move.new))


def yanked_among(moves: Moves, incumbent: Built, *, installer: Installer, report: Say = silent) -> Moves:
    """The same moves, with what the index says of their releases; where it cannot be asked, they stay as they are."""
    new = [f"{move.package}=={move.new}" for move in moves if move.new is not None]
    plan: Plan | StageFailure = {}
    doing, kind = "Asking the index about yanked releases", f"ask about yanked releases with {installer.name}"
    with step(doing, kind=kind, report=report) as timed, suppress(Refusal):
        timed.failed = True
        plan = _planned(Question(incumbent.python, new, alone=True), installer) if new else {}
        timed.failed = isinstance(plan, StageFailure)
    yanked = set() if isinstance(plan, StageFailure) else {name for name, planned in plan.items() if planned.yanked}
    return tuple(replace(move, yanked=move.package in yanked) for move in moves)


def _with_nearest(failure: StageFailure, changes: Sequence[Requirement], pins: Pins) -> StageFailure:
    """The failure, with the package that may have been meant where nothing of that name is known."""
    for name in (str(canonicalize_name(change.name)) for change in changes):
        near = difflib.get_close_matches(name, pins.versions, n=1, cutoff=NEAR)
        if failure.cause is Cause.NO_SUCH_VERSION and near and near != [name] and name in failure.sentence:
            return replace(failure, sentence=f"{failure.sentence.rstrip('.')}; did you mean {near[0]}?")
    return failure


def _refuse_unknown(failure: StageFailure, changes: Sequence[Requirement], pins: Pins) -> None:
    """Refuse a package that nobody knows and nothing has installed: it was misspelt, and no upgrade of anything."""
    for change in changes:
        unknown = re.match(rf"{re.escape(change.name)}(?![\w.-])\S* was not found\b", failure.sentence)
        if failure.cause is Cause.NO_SUCH_VERSION and unknown and canonicalize_name(change.name) not in pins.versions:
            question = "" if failure.sentence.endswith("?") else " Check its name, and where it is looked for."
            raise Refusal(f"{failure.sentence}{question}")


def _planned_in_a_step(
    question: Question, changes: Sequence[Requirement], *, installer: Installer, report: Say
) -> Plan | StageFailure:
    doing = f"Resolving {', '.join(map(str, changes))}"
    with step(doing, kind=f"resolve with {installer.name}", report=report) as timed:
        plan = _planned(question, installer)
        timed.failed = isinstance(plan, StageFailure)
    return plan


def _planned(question: Question, installer: Installer) -> Plan | StageFailure:
    with refusing_a_failing_disk(Path(tempfile.gettempdir())):
        plan = installer.plan(question)
    if isinstance(plan, Objection):
        return StageFailure.of(Stage.RESOLVE, plan.cause, plan.sentence, log=plan.output)
    return plan


def _open(changes: Sequence[Requirement], pins: Pins) -> dict[str, str]:
    """The changes that admit the installed version too, with it: they ask for the newest that they admit."""
    installed = {change: pins.versions.get(canonicalize_name(change.name)) for change in changes}
    return {
        canonicalize_name(change.name): version
        for change, version in installed.items()
        if version is not None
        and exact_version(change) is None
        and change.specifier.contains(version, prereleases=True)
    }

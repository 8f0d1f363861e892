"""What would move in a stack if something in it were changed."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.consistency import unmet
from fluxgate.gate.environments.installers import Installer, Objection, Plan, Question
from fluxgate.gate.environments.interpreters import ask
from fluxgate.gate.environments.pins import Moves, Pins, exact_version, fits
from fluxgate.gate.environments.stages import Stage, StageFailure
from fluxgate.gate.environments.steps import Report, refusing_a_failing_disk, step
from fluxgate.locks import silent
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import Move

# Seconds, roughly; a source distribution that must be built takes longer.
RESOLVE = 5.0


def resolve(
    incumbent: Built, changes: Sequence[Requirement], *, installer: Installer, report: Report = silent
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
    with step(f"Resolving {', '.join(map(str, changes))}", estimate=RESOLVE, report=report):
        plan = _planned(question, installer)
    if isinstance(plan, StageFailure):
        if odds and isinstance(_planned(Question(incumbent.python, kept), installer), StageFailure):
            raise Refusal(
                f"{odds[0]}, which the incumbent does not have, and no installer can add: {plan.sentence.rstrip('.')}. "
                f"Install it beside the incumbent first, or gate from a Python that lacks {odds[0].package}."
            )
        return plan
    moves = (
        Move(package, incumbent.pins.versions.get(package), planned.version, planned.yanked)
        for package, planned in sorted(plan.items())
    )
    return tuple(move for move in moves if not fits(move.old, move.new))


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

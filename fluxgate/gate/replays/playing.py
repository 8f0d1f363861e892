"""Plays a row: both stacks are built beside this Python, rendered and compared, and the culprit is sought."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from fluxgate.cases import Case
from fluxgate.gate.environments.building import Built, build, clone_of
from fluxgate.gate.environments.importing import check_imports
from fluxgate.gate.environments.installers import Installer
from fluxgate.gate.environments.stages import StageFailure
from fluxgate.gate.holding import hold_on
from fluxgate.gate.outcome import Side
from fluxgate.gate.replays.played import Played, played, unmade
from fluxgate.gate.replays.rows import CATALOGUE, Row, candidate_pins, common_pins, incumbent_pins
from fluxgate.gate.settings import Settings
from fluxgate.gate.sides import Stack
from fluxgate.gate.stacks import Stacks, Unmade, build_with
from fluxgate.locks import Say, silent
from fluxgate.machine import Machine
from fluxgate.refusal import Refusal
from fluxgate.session.tiers import cases_of


def why_not_here(row: Row, machine: Machine) -> str | None:
    """Why a row cannot be played on this machine by this Python, or None."""
    if row.device == "cuda" and machine.device != "cuda":
        return "it needs a GPU"
    if row.device == "cpu" and machine.device == "cuda":
        return "it is told by a CPU; hide the GPU with CUDA_VISIBLE_DEVICES="
    version = ".".join(machine.python.split(".")[:2])
    if row.python is not None and row.python != version:
        return f"it needs Python {row.python}, and this is {version}"
    return None


def common_stack(*, installer: Installer, report: Say = silent) -> Built:
    """This Python, cloned, and made ready for older releases: all that no row pins comes from it."""
    cloned = clone_of(Path(sys.executable), report=report)
    if isinstance(cloned, StageFailure):
        raise Refusal(f"The packages of this Python cannot be cloned: {cloned.sentence}")
    common = build(common_pins(cloned.pins), installer=installer, base=cloned, report=report)
    if isinstance(common, StageFailure):
        raise Refusal(f"What all rows need cannot be installed: {common.sentence}")
    return common


def play(row: Row, settings: Settings, *, common: Built, installer: Installer, report: Say = silent) -> Played:
    """Hold a gate on one row, and compare what it says with what it must say."""
    settings = replace(settings, subjects=(row.subject,), catalogue=CATALOGUE, strategies=row.strategies)
    made = _made(row, common, installer=installer, report=report)
    if isinstance(made, StageFailure):
        return unmade(row, made)
    if isinstance(made, Unmade) and made.candidate is None:
        return unmade(row, made.failure)
    held = hold_on(made, settings, installer=installer, report=report)
    return played(row, held, faults=_faults(made.incumbent, settings, report))


def _made(row: Row, common: Built, *, installer: Installer, report: Say) -> Stacks | Unmade | StageFailure:
    """Both environments; or why the good one cannot be installed here, or not imported."""
    good, bad = incumbent_pins(row, common.pins), candidate_pins(row, common.pins)
    incumbent = build_with(common.pins.moves_to(good), common, installer=installer, report=report)
    if isinstance(incumbent, StageFailure):
        return incumbent
    moves = good.moves_to(bad)
    candidate = build(bad, installer=installer, base=incumbent, report=report)
    if isinstance(candidate, StageFailure):
        return Unmade(candidate, incumbent, moves)
    failure = check_imports(candidate, report=report)
    return Unmade(failure, incumbent, moves, candidate) if failure else Stacks(incumbent, candidate, moves)


def _faults(incumbent: Built, settings: Settings, report: Say) -> tuple[str, ...]:
    """What is red in the good pins alone: each case that crashes, and each check that fails."""
    stack = Stack(incumbent, settings=settings, report=report, name="good pins")
    with ExitStack() as exits:
        opened = stack.open(exits)
        return tuple(_sentences(map(opened.side, _cases(settings, stack))))


def _cases(settings: Settings, stack: Stack) -> tuple[Case, ...]:
    """Those of the row's strategies, or of the tier."""
    if not settings.strategies:
        return cases_of(settings.tier, stack.choice.cases)
    return tuple(case for case in stack.choice.cases if case.strategy.name in settings.strategies)


def _sentences(sides: Iterable[Side]) -> Iterator[str]:
    for side in sides:
        if side.crash is not None:
            yield f"{side.case.strategy.name} crashes ({side.crash.sentence.rstrip('.')})"
        elif side.failing:
            yield f"{side.case.strategy.name} fails {', '.join(side.failing)}"

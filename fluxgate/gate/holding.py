"""Holds a gate from one end to the other: environments, renderings, the culprit, the release."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from fluxgate.gate.bisecting import bisected
from fluxgate.gate.blaming import blame
from fluxgate.gate.culprit.bisection import Range
from fluxgate.gate.culprit.finding import Finding
from fluxgate.gate.decision import unconfirmed
from fluxgate.gate.environments.installers import Installer
from fluxgate.gate.gate import Gated, compare_stacks, of_unmade
from fluxgate.gate.outcome import UNSTEADY
from fluxgate.gate.probing import Evidence
from fluxgate.gate.settings import Settings
from fluxgate.gate.sides import imports_of, refuse_unknown, render_anew
from fluxgate.gate.stacks import Asked, Stacks, Unmade, make_stacks
from fluxgate.locks import Say, silent
from fluxgate.report.gate_result import Answer

ENVIRONMENTS, RENDERING, CULPRIT, RELEASES = "environments", "rendering", "culprit", "releases"  # what takes its time


@dataclass(frozen=True)
class Held:
    """All that a gate found, and how long each part took."""

    gated: Gated
    finding: Finding[Evidence] | None = None
    ranges: tuple[Range[Evidence], ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)


def hold(
    asked: Asked,
    settings: Settings,
    *,
    installer: Installer,
    report: Say = silent,
    decided: Callable[[Held], object] = lambda held: None,
    made: Callable[[Stacks], object] = lambda stacks: None,
) -> Held:
    """Make both stacks, render and compare them, and look for what is to blame if that is not safe.

    decided: called once the answer is there, before the search, which may take long.
    made: called once both stacks are there, before anything is rendered."""
    refuse_unknown(settings)
    seconds: dict[str, float] = {}
    with timed(ENVIRONMENTS, seconds):
        stacks = make_stacks(asked, installer=installer, imports=imports_of(settings), report=report)
    if isinstance(stacks, Stacks):
        made(stacks)
    held = hold_on(stacks, settings, installer=installer, report=report, decided=decided)
    return replace(held, seconds={**seconds, **held.seconds})


def hold_on(
    made: Stacks | Unmade,
    settings: Settings,
    *,
    installer: Installer,
    report: Say = silent,
    decided: Callable[[Held], object] = lambda held: None,
) -> Held:
    """Render and compare what was made, and look for what is to blame if that is not safe."""
    seconds: dict[str, float] = {}
    with timed(RENDERING, seconds):
        gated = of_unmade(made) if isinstance(made, Unmade) else compare_stacks(made, settings, report=report)
    held, stacks = Held(gated, seconds=seconds), _both(made)
    unsteady = any(one.outcome is UNSTEADY and not one.other_noise for one in gated.outcomes)
    if stacks is not None and unsteady and gated.decision.answer is Answer.CANNOT_TELL:
        _leave_aside(stacks, settings)
    if gated.decision.answer is not Answer.NOT_SAFE or stacks is None or not settings.culprit:
        return held
    decided(held)
    with timed(CULPRIT, seconds):
        finding = blame(gated, stacks, settings, installer=installer, report=report)
    if not finding.confirmed:
        _leave_aside(stacks, settings)
        return replace(held, gated=replace(gated, decision=unconfirmed(gated.decision, finding)), finding=finding)
    if not settings.bisect:
        return replace(held, finding=finding)
    with timed(RELEASES, seconds):
        ranges = bisected(finding, gated, stacks, settings, installer=installer, report=report)
    return replace(held, finding=finding, ranges=ranges)


def _leave_aside(stacks: Stacks, settings: Settings) -> None:
    """What did not decide is rendered anew by the next gate: it would find the same in the same renderings."""
    for built in (stacks.incumbent, stacks.candidate):
        render_anew(built, settings)


def _both(made: Stacks | Unmade) -> Stacks | None:
    """Both stacks, if the candidate was built at all."""
    if isinstance(made, Stacks):
        return made
    return Stacks(made.incumbent, made.candidate, made.moves) if made.candidate else None


@contextmanager
def timed(doing: str, seconds: dict[str, float]) -> Iterator[None]:
    """Note how long something took."""
    started = time.monotonic()
    yield
    seconds[doing] = time.monotonic() - started

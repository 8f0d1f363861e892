"""The gate: two environments on one machine, rendered in turn and compared, and which package moved what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from fluxgate.baselines import case_limits, limits
from fluxgate.cases import Case
from fluxgate.environment import Environment
from fluxgate.gate.decision import Decision, decide, not_made
from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.consistency import needed_along
from fluxgate.gate.environments.interpreters import ask
from fluxgate.gate.environments.pins import Moves
from fluxgate.gate.outcome import Side, outcome_of
from fluxgate.gate.settings import Settings
from fluxgate.gate.sides import OpenStack, Stack
from fluxgate.gate.stacks import Stacks, Unmade
from fluxgate.gate.trends import Spreads, spreads_of, spreads_of_loading
from fluxgate.locks import Say, silent
from fluxgate.machine import Machine
from fluxgate.options import chosen
from fluxgate.rendering import CrashKind
from fluxgate.report.gate_result import CANDIDATE, INCUMBENT, CaseResult
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from fluxgate.session.choice import Choice, refuse_unready
from fluxgate.session.tiers import cases_of

# Crashes that a machine short of memory, or a driver, may have brought about: they must come twice.
SEEN_TWICE = (CrashKind.OUT_OF_MEMORY, CrashKind.CUDA_ERROR, CrashKind.SIGNAL, CrashKind.EXIT)


@dataclass(frozen=True)
class Gated:
    """What a gate found."""

    decision: Decision
    machine: Machine
    incumbent: dict[str, str]  # the whole stacks, package by package
    candidate: dict[str, str]
    moves: Moves
    outcomes: tuple[CaseResult, ...] = ()
    stage: str | None = None  # at which the candidate failed, if it was not rendered
    runs: dict[str, Run] = field(default_factory=dict)  # "incumbent", "candidate"
    cause: str | None = None  # why it failed there
    needed: dict[str, str] = field(default_factory=dict)  # of what moves: why it could not stay, in a clause


def of_unmade(made: Unmade) -> Gated:
    """What there is to say of an upgrade that cannot be resolved, installed or imported."""
    pins = made.incumbent.pins
    machine = Environment.at(made.incumbent.python).machine
    moved = dict(pins.moved(made.moves).versions)
    return Gated(
        decision=not_made(made.failure),
        machine=machine,
        incumbent=dict(pins.versions),
        candidate=moved,
        moves=made.moves,
        stage=made.failure.stage,
        cause=made.failure.cause,
        needed=_needed(made.incumbent, made.candidate) if made.candidate else {},
    )


def compare_stacks(made: Stacks, settings: Settings, *, report: Say = silent) -> Gated:
    """Render every case in one stack and then in the other, so that the machine's drift hits both, and decide."""
    before = Stack(made.incumbent, settings=settings, report=report, name="incumbent")
    after = Stack(made.candidate, settings=settings, report=report, name="candidate")
    refuse_unready(before.choice)
    cases = asked_cases(settings, before.choice)
    with ExitStack() as stack:
        rendering = (before.open(stack), after.open(stack))
        outcomes = tuple(_outcomes(*rendering, cases, settings.repeats, report))
    for side in (before, after):
        runs.finish(side.run)
    return Gated(
        decision=decide(outcomes, before.choice.cases),
        machine=before.environment.machine,
        incumbent=dict(made.incumbent.pins.versions),
        candidate=dict(made.candidate.pins.versions),
        moves=made.moves,
        outcomes=outcomes,
        runs={INCUMBENT: before.run, CANDIDATE: after.run},
        needed=_needed(made.incumbent, made.candidate),
    )


def _needed(incumbent: Built, candidate: Built) -> dict[str, str]:
    return needed_along(ask(incumbent.python), ask(candidate.python))


def asked_cases(settings: Settings, choice: Choice) -> tuple[Case, ...]:
    """The cases of the strategies that were asked for, or of the tier."""
    if not settings.strategies:
        return cases_of(settings.tier, choice.cases)
    known = dict.fromkeys(case.strategy.name for case in choice.cases)
    names = chosen(settings.strategies, among=known, option="--strategy", listing="fluxgate list")
    return tuple(case for case in choice.cases if case.strategy.name in names)


def _outcomes(
    before: OpenStack, after: OpenStack, cases: Sequence[Case], repeats: int, report: Say
) -> Iterator[CaseResult]:
    """The incumbent's first case is its control: all of it is repeated where that is asked for, else its first shot.

    A part will do, for it tells whether a second process gives the same, and how much what is loaded varies."""
    control = next((case.id for case in cases if case.unsupported is None), None)
    spreads: Spreads = {}
    for number, case in enumerate(cases, start=1):
        report(f"case {number} of {len(cases)}: {case.id}")
        is_control = case.id == control
        mine, theirs = _sides(before, after, case, repeats=repeats, control=is_control and repeats < 2)
        yield outcome_of(mine, theirs, drift=_drift(before.stack.choice, case), spreads=spreads)
        if is_control:
            spreads = _spreads(mine)


def _spreads(side: Side) -> Spreads:
    """How much memory varies by itself, as far as what was rendered again tells."""
    if side.control is None or side.rendered is None:
        return spreads_of(side.renderings)
    return spreads_of_loading((side.rendered.rendering, side.control.rendering))


def compared(before: OpenStack, after: OpenStack, case: Case) -> CaseResult:
    """Render a case in both stacks, if it was not, and compare."""
    return outcome_of(*_sides(before, after, case), drift=_drift(before.stack.choice, case))


def _sides(
    before: OpenStack, after: OpenStack, case: Case, *, repeats: int = 1, control: bool = False
) -> tuple[Side, Side]:
    """What both stacks give of a case, rendered so often in each."""
    mine = before.render(case, attempts=repeats, control=control)
    if _may_be_chance(mine):
        mine = before.render(case, attempts=2)
    theirs = after.render(case, attempts=repeats, like=mine.rendered.rendering if mine.rendered else None)
    if _may_be_chance(theirs):
        theirs = after.render(case, attempts=2)
    return _judged((before, mine), (after, theirs))


def _may_be_chance(side: Side) -> bool:
    """Whether a case that crashed once may do so no more: what it left is used again by every later gate."""
    return side.crash is not None and side.crash.kind in SEEN_TWICE and not side.repeats


def _judged(*sides: tuple[OpenStack, Side]) -> tuple[Side, Side]:
    """Both sides with the verdicts on them.

    What the pictures show takes longest to tell, and is the same where all of them are: it is asked of others alone,
    or where something fails, for then it matters whether this does, too."""
    if _same_pictures(*sides):
        mine, theirs = (stack.judged(side, read=False) for stack, side in sides)
        if not mine.failing and not theirs.failing:
            return mine, theirs
    mine, theirs = (stack.judged(side) for stack, side in sides)
    return mine, theirs


def _same_pictures(*sides: tuple[OpenStack, Side]) -> bool:
    """Whether both stacks give the same pictures of a case, and of those that it is compared with."""
    if any(side.rendered is None or side.crash is not None for _, side in sides):
        return False
    ours, theirs = (stack.pictures(side) for stack, side in sides)
    return ours == theirs


def _drift(choice: Choice, case: Case) -> dict[str, limits.Band]:
    """What legal changes of machine or release were seen to do to a case, on this machine or one like it."""
    known = case_limits.for_case(choice.baselines, choice.machine.id, case.subject, case.strategy.name, accepted=False)
    return known.drift

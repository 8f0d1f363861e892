"""The gate: two environments on one machine, rendered in turn and compared, and which package moved what."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from fluxgate import session
from fluxgate.baselines import limits
from fluxgate.cases import Case
from fluxgate.environment import Environment
from fluxgate.gate.decision import Decision, decide, not_made
from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.pins import Moves
from fluxgate.gate.outcome import Outcome, Side, outcome_of
from fluxgate.gate.stacks import Stacks, Unmade
from fluxgate.gate.tiers import Tier, cases_of
from fluxgate.locks import silent
from fluxgate.machine import Machine
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import CANDIDATE, INCUMBENT
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from fluxgate.session import Choice, Session, choose, create_run, open_session

STACKS, JOURNAL = "stacks", "journal"  # in the folder of runs: renderings by stack; in that, what was tried

Report = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How a gate is held."""

    subjects: tuple[str, ...] = ()
    tier: Tier = Tier.SHORT
    installer: str | None = None
    wheelhouse: Path | None = None
    case_timeout: str = f"{session.CASE_TIMEOUT:.0f}"
    runs: Path = Path("runs")
    command: str = "fluxgate gate"


@dataclass(frozen=True)
class Gated:
    """What a gate found."""

    decision: Decision
    machine: Machine
    incumbent: dict[str, str]  # the whole stacks, package by package
    candidate: dict[str, str]
    moves: Moves
    outcomes: tuple[Outcome, ...] = ()
    stage: str | None = None  # at which the candidate failed, if it was not rendered
    runs: dict[str, Run] = field(default_factory=dict)  # "incumbent", "candidate"


class Stack:
    """A built environment whose cases are rendered once, into a run of its own that later gates use again."""

    def __init__(self, built: Built, *, settings: Settings, report: Report, name: str, attempt: int = 1) -> None:
        self.built = built
        self.environment = Environment.at(built.python)
        request = session.Request(
            subjects=settings.subjects,
            case_timeout=settings.case_timeout,
            no_baseline=True,
            runs=settings.runs / STACKS,
        )
        choice = choose(request, environment=self.environment)
        folder = settings.runs / STACKS / _key(built, choice, attempt)
        self.choice = replace(choice, runs=folder)
        self.run = _run_in(folder, self.choice, command=settings.command)
        self.cases = {case.id: case for case in self.choice.cases}
        self._report = lambda line: report(f"{name}: {line}")

    def open(self, stack: ExitStack) -> Session:
        """A session that renders into the stack's run, until the exit stack ends."""
        return stack.enter_context(open_session(self.choice, self.run, report=self._report))

    def side(self, case_id: str, session: Session) -> Side:
        """What this stack gives of a case: its rendering, and the verdicts on it within this stack."""
        case = self.cases[case_id]
        if case.unsupported is not None:
            return Side(case, self.environment.stack)
        renderings = session.render(case)
        verdicts = session.judge(case, renderings)
        return Side(case, self.environment.stack, renderings.get(case_id), {one.check: one for one in verdicts})


def of_unmade(made: Unmade) -> Gated:
    """What there is to say of an upgrade that cannot be resolved, installed or imported."""
    pins = made.incumbent.pins
    machine = Environment.at(made.incumbent.python).machine
    moved = dict(pins.moved(made.moves).versions)
    return Gated(not_made(made.failure), machine, dict(pins.versions), moved, made.moves, stage=made.failure.stage)


def compare_stacks(made: Stacks, settings: Settings, *, report: Report = silent) -> Gated:
    """Render every case in one stack and then in the other, so that the machine's drift hits both, and decide."""
    if not made.moves:
        raise Refusal("Nothing would move: the incumbent is what was asked for.")
    before = Stack(made.incumbent, settings=settings, report=report, name="incumbent")
    after = Stack(made.candidate, settings=settings, report=report, name="candidate")
    session.refuse_unready(before.choice)
    cases = cases_of(settings.tier, before.choice.cases)
    outcomes = tuple(_outcomes(before, after, cases, settings, report))
    return Gated(
        decision=decide(outcomes, before.choice.cases),
        machine=before.environment.machine,
        incumbent=dict(made.incumbent.pins.versions),
        candidate=dict(made.candidate.pins.versions),
        moves=made.moves,
        outcomes=outcomes,
        runs={INCUMBENT: before.run, CANDIDATE: after.run},
    )


def _outcomes(
    before: Stack, after: Stack, cases: Sequence[Case], settings: Settings, report: Report
) -> Iterator[Outcome]:
    again = Stack(before.built, settings=settings, report=report, name="incumbent again", attempt=2)
    control = next((case.id for case in cases if case.unsupported is None), None)
    with ExitStack() as stack:
        one, other, twice = before.open(stack), after.open(stack), again.open(stack)
        for number, case in enumerate(cases, start=1):
            report(f"case {number} of {len(cases)}: {case.id}")
            mine, theirs = before.side(case.id, one), after.side(case.id, other)
            second = twice.rendered(case.id) if case.id == control else None
            yield outcome_of(mine, theirs, again=second, drift=_drift(before.choice, case))


def _drift(choice: Choice, case: Case) -> dict[str, limits.Band]:
    """What legal changes of machine or release were seen to do to a case, on this machine or one like it."""
    known = limits.for_case(choice.baselines, choice.machine.id, case.subject, case.strategy.name, accepted=False)
    return known.drift


def _key(built: Built, choice: Choice, attempt: int) -> str:
    """The same for the same packages on the same machine, asked for the same pictures."""
    recipes = {case.subject.name: [shot.recipe for shot in case.shots] for case in choice.cases}
    text = json.dumps([built.folder.name, choice.machine.id, recipes, attempt], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _run_in(folder: Path, choice: Choice, *, command: str) -> Run:
    """The stack's run, without what was interrupted in it; a new one if there is none."""
    if not any(folder.glob(f"*/{runs.FACTS}")):
        return create_run(choice, command=command)
    run = runs.latest(folder)
    for case_id, rendering in run.renderings().items():
        if rendering.crash is not None and rendering.crash.kind == "interrupted":
            shutil.rmtree(run.case_folder(case_id))
    return run

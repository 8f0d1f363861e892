"""The plan of a run: all its cases with what they promise, so that a stranger's run is judged without their files."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from fluxgate.cases import Case, matrix
from fluxgate.files import read_plain
from fluxgate.refusal import Refusal
from fluxgate.rendering import id_of_case
from fluxgate.runs.run import Run
from fluxgate.runs.shards import Shard
from fluxgate.strategies.available import strategies
from fluxgate.strategies.record import StrategyRecord, record_of, restored
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.subject import Subject

FILE = "plan.json"


@dataclass(frozen=True)
class PlannedCase:
    """One cell of the matrix: a subject under a strategy, and whether it was to be rendered."""

    subject: str
    strategy: StrategyRecord  # as it was settled for this subject, machine and stack
    unsupported: str | None  # the reason why it could not be rendered there
    asked: bool

    @property
    def id(self) -> str:
        return id_of_case(self.subject, self.strategy.name)


@dataclass(frozen=True)
class Plan:
    """What a session set out to do, written before the first case is rendered."""

    subjects: tuple[Subject, ...]
    cases: tuple[PlannedCase, ...]
    shard: Shard | None = None  # which part of a session it was; None: the whole
    shards: dict[str, int] = field(default_factory=dict)  # case -> the shard that asks about it

    @property
    def asked(self) -> frozenset[str]:
        """The ids of the cases that the session asked about."""
        return frozenset(case.id for case in self.cases if case.asked)

    @property
    def due(self) -> tuple[str, ...]:
        """The ids of the cases that the session was to render."""
        renderable = (case for case in self.cases if case.asked and case.unsupported is None)
        return tuple(case.id for case in renderable)


def plan_of(cases: Iterable[Case], *, asked: Collection[str]) -> Plan:
    """The plan of a session with these cases; `asked` has the ids of those that it asks about."""
    cases = tuple(cases)
    return Plan(
        subjects=tuple({case.subject.name: case.subject for case in cases}.values()),
        cases=tuple(
            PlannedCase(case.subject.name, record_of(case.strategy), case.unsupported, case.id in asked)
            for case in cases
        ),
    )


def read_plan(run: Run) -> Plan | None:
    """The run's plan; None for a run of an older Fluxgate."""
    path = run.folder / FILE
    if not path.exists():
        return None
    plan = read_plain(path, Plan)
    names = {subject.name for subject in plan.subjects}
    unknown = [case.subject for case in plan.cases if case.subject not in names]
    if unknown:
        raise Refusal(f"{path} is damaged: it has cases of {unknown[0][:120]!r}, and no such subject.")
    return plan


def cases_of(run: Run) -> tuple[Case, ...]:
    """The matrix as it was on the run's machine and stack: from its plan, or for an older run from today's files."""
    plan = read_plan(run)
    if plan is None:
        return matrix(_subjects_of(run), strategies(), machine=run.machine, stack=run.stack)
    by_name = {subject.name: subject for subject in plan.subjects}
    return tuple(
        Case(by_name[case.subject], restored(case.strategy), run.machine.device, case.unsupported)
        for case in plan.cases
    )


def _subjects_of(run: Run) -> list[Subject]:
    """The subjects that an older run has renderings of, by today's catalogue."""
    catalogue = subjects()
    names = {rendering.subject for rendering in run.renderings().values()}
    unknown = sorted(names - set(catalogue))
    if unknown:
        raise Refusal(
            f"{run.folder} has renderings of {', '.join(unknown)}, which the catalogue does not have; "
            f"name the file that has it in FLUXGATE_SUBJECTS."
        )
    return [subject for name, subject in catalogue.items() if name in names]

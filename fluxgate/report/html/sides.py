"""The two sides that a page shows of each case: what it gave, and what that is held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fluxgate.cases import Case
from fluxgate.rendering import id_of_case
from fluxgate.report.gate_folder import run_of
from fluxgate.report.gate_report import rendered_in_both
from fluxgate.report.gate_result import CANDIDATE, STACKS, GateResult
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run


@dataclass(frozen=True)
class HeldAgainst:
    """The other side of a case."""

    name: str  # "full", "the incumbent"
    rendered: Rendered


@dataclass(frozen=True)
class Sides:
    """What every case gave, and what it is held against."""

    rendered: Mapping[str, Rendered] = field(default_factory=dict)
    held_against: Mapping[str, HeldAgainst] = field(default_factory=dict)
    folder: Path = Path()  # that the pictures which verdicts name lie in
    bad: frozenset[str] = frozenset()  # the cases of which every difference is wrong
    run_id: str = ""  # of the run that decisions on the page are about
    labels: tuple[str, str] = ("expected", "actual")  # what the two sides are called

    def of(self, case_ids: Iterable[str]) -> Sides:
        """The same for some of the cases; what they are held against stays."""
        return replace(self, rendered={name: self.rendered[name] for name in case_ids if name in self.rendered})


def sides_of_run(run: Run, cases: Iterable[Case]) -> Sides:
    """Every case of a run beside the reference that its promise names."""
    rendered = run.rendered_cases()
    references = {
        case.id: id_of_case(case.subject.name, case.strategy.promise.reference)
        for case in cases
        if case.strategy.promise.reference
    }
    held_against = {
        case_id: HeldAgainst(rendered[name].rendering.strategy, rendered[name])
        for case_id, name in references.items()
        if name in rendered
    }
    return Sides(rendered, held_against, run.folder, run_id=run.id)


def sides_of_gate(result: GateResult, folder: Path) -> Sides:
    """Every case of the candidate beside what the incumbent gave of it."""
    before, after = (rendered_in_both(result, folder)[stack] for stack in STACKS)
    candidate = run_of(result, CANDIDATE, gate=folder)
    return Sides(
        after,
        {name: HeldAgainst("the incumbent", one) for name, one in before.items()},
        folder,
        bad=frozenset(case.case_id for case in result.cases if case.is_bad),
        run_id=candidate.id if candidate else "",
        labels=("incumbent", "candidate"),
    )

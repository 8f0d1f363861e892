"""One environment between incumbent and candidate: made, and rendered where the candidate is bad."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from fluxgate.gate.culprit.outcomes import BAD, FAILED, FLAKY, GOOD, UNRESOLVABLE, Result, Trial
from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.installers import Installer
from fluxgate.gate.environments.pins import Moves
from fluxgate.gate.environments.stages import Stage, StageFailure
from fluxgate.gate.gate import compared
from fluxgate.gate.outcome import UNSTEADY
from fluxgate.gate.settings import Settings
from fluxgate.gate.sides import Stack, imports_of
from fluxgate.gate.stacks import build_with
from fluxgate.locks import Say, silent
from fluxgate.report.gate_result import CaseResult, EvidenceResult

Evidence = tuple[EvidenceResult, ...]  # the cases that are bad


@dataclass(frozen=True)
class Probing:
    """Says whether the incumbent with some moves is bad: what was bad in the candidate is rendered with them."""

    incumbent: Built
    settings: Settings
    cases: Sequence[str]
    installer: Installer
    report: Say = silent
    make: Callable[[Moves], Built | StageFailure] | None = None  # None: the incumbent with exactly these moves

    def __call__(self, trial: Trial) -> Result[Evidence]:
        started = time.monotonic()
        result = self._result(trial)
        return replace(result, seconds=time.monotonic() - started)

    def _result(self, trial: Trial) -> Result[Evidence]:
        built = (self.make or self._with)(trial.moves)
        return _unmade(built) if isinstance(built, StageFailure) else self._rendered(built, attempt=trial.attempt)

    def _with(self, moves: Moves) -> Built | StageFailure:
        if not moves:
            return self.incumbent
        imports = imports_of(self.settings)
        return build_with(moves, self.incumbent, installer=self.installer, imports=imports, report=self.report)

    def _rendered(self, built: Built, *, attempt: int) -> Result[Evidence]:
        if not self.cases:
            return Result(GOOD)
        incumbent = Stack(self.incumbent, settings=self.settings, report=self.report, name="incumbent")
        again = built.folder == self.incumbent.folder  # held to its first rendering: what is asked first is the second
        name = "incumbent again" if again else f"environment {built.name}"
        other = Stack(built, settings=self.settings, report=self.report, name=name, attempt=attempt + again)
        with ExitStack() as stack:
            before, after = incumbent.open(stack), other.open(stack)
            outcomes = [compared(before, after, incumbent.cases[case]) for case in self.cases]
        if any(outcome.outcome == UNSTEADY for outcome in outcomes):
            return Result(FLAKY, why="it does not give the same twice")
        evidence = tuple(map(_seen, filter(_is_bad, outcomes)))
        return Result(BAD, evidence) if evidence else Result(GOOD)


def _is_bad(outcome: CaseResult) -> bool:
    return outcome.is_bad


def _seen(outcome: CaseResult) -> EvidenceResult:
    return EvidenceResult(outcome.case_id, outcome.outcome, outcome.stage, outcome.shots, outcome.reason)


def _unmade(failure: StageFailure) -> Result[Evidence]:
    """An import that fails is what an upgrade can do wrong; the rest says nothing about the packages."""
    if failure.stage is Stage.IMPORT:
        return Result(BAD, evidence=(EvidenceResult(None, Stage.IMPORT, reason=failure.sentence),))
    outcome = UNRESOLVABLE if failure.stage is Stage.RESOLVE else FAILED
    return Result(outcome, why=failure.sentence.rstrip("."))

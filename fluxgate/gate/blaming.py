"""Which of the packages that moved is to blame: environments between the two stacks, rendered as far as it takes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from fluxgate.gate.culprit.find import find
from fluxgate.gate.culprit.finding import Finding
from fluxgate.gate.culprit.journal import Journal
from fluxgate.gate.culprit.moves import by_suspicion, groups_of
from fluxgate.gate.culprit.outcomes import BAD, FAILED, FLAKY, GOOD, UNRESOLVABLE, Result, Trial
from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.consistency import couplings
from fluxgate.gate.environments.installers import Installer
from fluxgate.gate.environments.interpreters import ask
from fluxgate.gate.environments.stages import Stage, StageFailure
from fluxgate.gate.gate import JOURNAL, STACKS, Gated, Report, Settings, Stack
from fluxgate.gate.outcome import UNSTEADY, Outcome, outcome_of
from fluxgate.gate.stacks import Stacks, build_with
from fluxgate.locks import silent
from fluxgate.rendering import DECODED, FIRST, LAST, MIDDLE, POOLED, T5
from fluxgate.report.gate_result import EvidenceResult

Evidence = tuple[EvidenceResult, ...]  # the cases that are bad

# Which packages can move a stage, the one that works there first.
_ENCODING = ("transformers", "tokenizers", "sentencepiece", "bitsandbytes", "accelerate", "huggingface-hub", "torch")
_DENOISING = ("diffusers", "bitsandbytes", "accelerate", "torch", "transformers")
SUSPECTS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys((T5, POOLED), _ENCODING),
    **dict.fromkeys((FIRST, MIDDLE, LAST), _DENOISING),
    DECODED: ("diffusers", "torch", "pillow", "numpy"),
}


def blame(
    gated: Gated, made: Stacks, settings: Settings, *, installer: Installer, report: Report = silent
) -> Finding[Evidence]:
    """Find the culprit of an upgrade that is not safe; what was tried before is not tried again."""
    bad = [outcome for outcome in gated.outcomes if outcome.is_bad]
    stage = next((outcome.stage for outcome in bad if outcome.stage), None)
    together = couplings(ask(made.incumbent.python), ask(made.candidate.python))
    groups = by_suspicion(groups_of(made.moves, closure=together.get), stage=stage, packages=SUSPECTS)
    stacks = (gated.incumbent, gated.candidate)
    about = {"stacks": stacks, "machine": gated.machine.id, "cases": [outcome.case_id for outcome in bad]}
    return find(
        groups,
        probe=_Probe(made, settings, cases=[outcome.case_id for outcome in bad], installer=installer, report=report),
        results=Journal(settings.runs / STACKS / JOURNAL, about=about, kind=Result[Evidence]),
        report=lambda announcement: report(announcement.sentence),
        explains=lambda one, other: set(one) >= set(other),
    )


class _Probe:
    """Says whether the incumbent with some moves is bad: what was bad in the candidate is rendered with them."""

    def __init__(
        self, made: Stacks, settings: Settings, *, cases: Sequence[str], installer: Installer, report: Report
    ) -> None:
        self._made = made
        self._settings = settings
        self._cases = cases
        self._installer = installer
        self._report = report

    def __call__(self, trial: Trial) -> Result[Evidence]:
        started = time.monotonic()
        built = build_with(trial.moves, self._made.incumbent, installer=self._installer, report=self._report)
        result = _unmade(built) if isinstance(built, StageFailure) else self._compared(built, attempt=trial.attempt)
        return replace(result, seconds=time.monotonic() - started)

    def _compared(self, built: Built, *, attempt: int) -> Result[Evidence]:
        incumbent = Stack(self._made.incumbent, settings=self._settings, report=self._report, name="incumbent")
        name = f"environment {built.name}"
        other = Stack(built, settings=self._settings, report=self._report, name=name, attempt=attempt)
        with ExitStack() as stack:
            one, two = incumbent.open(stack), other.open(stack)
            outcomes = [outcome_of(incumbent.side(case, one), other.side(case, two)) for case in self._cases]
        if any(outcome.outcome == UNSTEADY for outcome in outcomes):
            return Result(FLAKY, why="it does not give the same twice")
        evidence = tuple(map(_seen, filter(lambda one: one.is_bad, outcomes)))
        return Result(BAD, evidence) if evidence else Result(GOOD)


def _seen(outcome: Outcome) -> EvidenceResult:
    return EvidenceResult(outcome.case_id, outcome.outcome, outcome.stage, outcome.shots, outcome.reason)


def _unmade(failure: StageFailure) -> Result[Evidence]:
    """An import that fails is what an upgrade can do wrong; the rest says nothing about the packages."""
    if failure.stage is Stage.IMPORT:
        return Result(BAD, evidence=(EvidenceResult(None, "import", reason=failure.sentence),))
    outcome = UNRESOLVABLE if failure.stage is Stage.RESOLVE else FAILED
    return Result(outcome, why=failure.sentence.rstrip("."))

"""A run of the tiny subject planned and accepted, as somebody would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fluxgate.baselines import accepting
from fluxgate.baselines import baseline as baselines
from fluxgate.baselines.changes import Plan
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.planning import Request, plan
from fluxgate.baselines.store import Store
from fluxgate.cases import Case
from fluxgate.runs.run import Run
from tests.runs.building import CASES, MACHINE, NOW


def planned(
    run: Run,
    root: Path,
    *,
    cases: Mapping[str, Case] = CASES,
    known_failures: Iterable[KnownFailure] = (),
    **request: Any,
) -> Plan:
    """What accepting the run would change in a folder of baselines."""
    return plan(run, Request(**request), root=root, cases=cases, known_failures=known_failures)


def accept(run: Run, root: Path, *, because: str = "it looks right", **given: Any) -> Plan:
    """The plan, once it is written."""
    made = planned(run, root, **given)
    accepting.write(made, accepting.acceptance(run, because=because, by="somebody", at=NOW))
    return made


def accepted_case(root: Path, strategy: str, machine: str = MACHINE.id) -> baselines.AcceptedCase:
    """What stands for a strategy afterwards."""
    baseline = baselines.read_case(Store(root), machine, "tiny", strategy)
    assert baseline is not None
    return baseline.case

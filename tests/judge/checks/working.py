"""Work that a real tiny pipeline does, with faults put into it, and what the check says of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from fluxgate.cases import Case
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.usual_work import KnownWork
from fluxgate.judge.verdict import WORK, Verdict
from fluxgate.rendering import Work
from fluxgate.subjects.subject import Shot, Subject
from tests.conftest import SHIPPED
from tests.judge.made import accepted, made, verdict
from tests.strategies.named import strategy_named

SHOT = Shot("small", ("a red circle",), seed=1, height=64, width=64, steps=3, guidance=3.5, max_sequence_length=32)
SUBJECT = Subject("tiny", "a tiny pipeline", "package:tiny", (SHOT,), vae_tile=32)

Fault = Callable[[Any], None]  # is put into a loaded pipeline


def no_fault(_: Any) -> None:
    pass


def work_of(name: str, fault: Fault = no_fault, *, shot: Shot = SHOT, calls_before: int = 1) -> Work:
    """The counted work of a strategy with a fault in its pipeline."""
    from fluxgate.render.measure.meter import Meter
    from fluxgate.render.watch.counting import count_work
    from fluxgate.render.watch.probe import Probe
    from fluxgate.strategies.promise import Site

    with tempfile.TemporaryDirectory() as scratch, closing(Meter("cpu")) as meter:
        probe = Probe(SUBJECT, meter=meter, announce=lambda phase: None)
        site = Site(SUBJECT, folder=SHIPPED, device="cpu", scratch=Path(scratch), watch=probe.watch)
        pipeline = strategy_named(name).load(site)
        probe.watch(pipeline)
        probe.describe()
        fault(pipeline)
        for _ in range(calls_before):
            pipeline(**shot.arguments())
        return count_work(lambda one: pipeline(**one.arguments()), shot, probe)


@cache
def clean(name: str) -> Work:
    """The work of a strategy without any fault."""
    return work_of(name)


def judged(
    folder: Path,
    name: str,
    work: Work | None,
    *,
    reference: Work | None = None,
    held: Work | None = None,
    usual: KnownWork | None = None,
    subject: Subject = SUBJECT,
    **changes: Any,
) -> Verdict:
    """The verdict on a strategy's work, beside its reference's and beside an accepted one."""
    one = strategy_named(name)
    evidence = Evidence(
        Case(subject, one, "cpu"), made(folder, name, work=work, **changes), run=folder, usual_work=usual
    )
    if reference is not None:
        evidence = replace(evidence, reference=made(folder, one.promise.reference or "full", work=reference))
    if held is not None:
        baseline = accepted(made(folder, name), folder / "accepted")
        evidence = replace(evidence, baseline=replace(baseline, case=replace(baseline.case, work=held)))
    return verdict(evidence, WORK)

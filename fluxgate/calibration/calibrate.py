"""Calibrating: renders a subject's variations and controls, measures them, and writes the limits into a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from fluxgate.baselines.limits import LimitsFile
from fluxgate.calibration import controls, floors, tables
from fluxgate.calibration.floors import Finding, Origin
from fluxgate.calibration.measuring import Sides, measure
from fluxgate.calibration.variations import Extent, Variations, vary
from fluxgate.cases import Case
from fluxgate.compare.draws import draws_differ, dtype_of
from fluxgate.files import write_plain, write_whole
from fluxgate.locks import Say
from fluxgate.rendering import Rendering, id_of_case
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run
from fluxgate.subjects.subject import Shot

FOLDER = "calibration"  # within the run

T = TypeVar("T")

Render = Callable[[Case, Path], Rendering]  # a case and the folder that its pictures go to


@dataclass(frozen=True)
class _Calibration:
    run: Run
    extent: Extent
    render: Render
    report: Say
    pool: Executor


def calibrate(run: Run, cases: Iterable[Case], extent: Extent, *, render: Render, report: Say) -> tuple[Finding, ...]:
    """Limits for every case that approximates another, written into the run for `accept` to take."""
    by_id = {case.id: case for case in cases if case.unsupported is None}
    approximating = [case for case in by_id.values() if case.strategy.promise.approximates]
    findings: list[Finding] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # thousands of comparisons, a second for many of them
        on = _Calibration(run, extent, render, report, pool)
        for subject in dict.fromkeys(case.subject.name for case in approximating):
            found = _findings([case for case in approximating if case.subject.name == subject], by_id, on)
            _write_limits(run, subject, found)
            findings += found
    return tuple(findings)


def _findings(own: Sequence[Case], by_id: Mapping[str, Case], on: _Calibration) -> list[Finding]:
    """The limits of one subject's cases, as far as there are any."""
    variations = vary(own[0].subject, own[0].device, on.extent)
    rendered = {case.id: _rendered(case, on) for case in _due(own, by_id, variations)}
    measured = [(case, sides) for case in own if (sides := _sides(case, rendered)) is not None]
    found = [_finding(case, sides, variations, on) for case, sides in measured]
    return [finding for finding in found if finding is not None]


def _due(own: Sequence[Case], by_id: Mapping[str, Case], variations: Variations) -> Iterable[Case]:
    """What is rendered for the limits of these cases: they with every shot, their references with the legal ones, and
    their coarser controls with those that have controls."""
    due = {case.id: _with_shots(case, variations.shots) for case in own}
    for case in own:
        reference, coarse = _reference(case, by_id), controls.coarser(case)
        if reference is not None:
            due.setdefault(reference.id, _with_shots(reference, variations.legal))
        if coarse is not None:
            due.setdefault(coarse.id, _with_shots(coarse, variations.with_controls))
    return due.values()


def _with_shots(case: Case, shots: tuple[Shot, ...]) -> Case:
    return replace(case, subject=replace(case.subject, shots=shots))


def _reference(case: Case, among: Mapping[str, T]) -> T | None:
    """What there is of the case that this one approximates."""
    approximated = case.strategy.promise.approximates
    return None if approximated is None else among.get(id_of_case(case.subject.name, approximated))


def _rendered(case: Case, on: _Calibration) -> Rendered | None:
    """The case's pictures; None where it crashed, which is reported."""
    on.report(f"{case.id}: {sum(shot.pictures for shot in case.subject.shots)} pictures for its limits")
    folder = on.run.folder / FOLDER / case.id
    rendering = on.render(case, folder)
    if rendering.crash is not None:
        on.report(f"{case.id}: no limits, it crashed: {rendering.crash.sentence}")
        return None
    return Rendered(rendering, folder)


def _sides(case: Case, rendered: Mapping[str, Rendered | None]) -> Sides | None:
    """What the case is measured by; None where it or its reference has no pictures."""
    actual, expected = rendered[case.id], _reference(case, rendered)
    if actual is None or expected is None:
        return None
    coarse = controls.coarser(case)
    return Sides(expected, actual, rendered[coarse.id] if coarse else None)


def _finding(case: Case, sides: Sides, variations: Variations, on: _Calibration) -> Finding | None:
    """The limits of a case; None where there are none, with the reason reported."""
    ours, theirs = dtype_of(case), case.subject.dtype
    if draws_differ(sides.actual.rendering.draws, ours, sides.expected.rendering.draws, theirs):
        on.report(f"{case.id}: no limits, this torch draws other noise in {ours} than in {theirs}")
        return None
    measured = measure(case, variations, sides, pool=on.pool)
    write_plain(on.run.folder / FOLDER / f"{case.id}.json", measured)
    finding = floors.find_limits(measured, origin_of(on.run))
    if finding is None:
        on.report(f"{case.id}: no limits, {len(measured.legal)} pictures are too few")
    return finding


def origin_of(run: Run) -> Origin:
    return Origin(run.machine.id, run.stack, run.facts.started[:10])


def _write_limits(run: Run, subject: str, findings: list[Finding]) -> None:
    """The limits for `accept`, and the table for a person."""
    if not findings:
        return
    strategies = {finding.strategy: finding.limits for finding in findings}
    write_plain(run.folder / "limits" / f"{subject}.json", LimitsFile(subject, run.machine.id, strategies, {}))
    page = tables.page(findings, heading=_heading(run, subject))
    write_whole(run.folder / FOLDER / f"{subject}.md", page.encode())


def _heading(run: Run, subject: str) -> str:
    """Where the numbers of a table come from."""
    stack = ", ".join(f"{name} {version}" for name, version in sorted(run.stack.items()))
    return f"## {subject} on {run.machine.id}\n\nMeasured {run.facts.started[:10]} on {run.machine.name}; {stack}."

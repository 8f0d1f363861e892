"""Calibrating: renders a subject's variations and controls, measures them, and writes the limits into a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from fluxgate.baselines.limits import LimitsFile
from fluxgate.calibration import controls, floors, tables
from fluxgate.calibration.floors import Finding, Origin, Sample, Samples
from fluxgate.calibration.variations import Asked, Extent, asked
from fluxgate.cases import Case
from fluxgate.compare import noise
from fluxgate.compare.likeness import Likeness, likeness_of, mismatch
from fluxgate.files import write_plain, write_whole
from fluxgate.pictures import Pixels
from fluxgate.rendering import Rendering
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run
from fluxgate.subjects.subject import Shot

FOLDER = "calibration"  # within the run

Render = Callable[[Case, Path], Rendering]  # a case and the folder that its pictures go to


def calibrate(
    run: Run, cases: Iterable[Case], extent: Extent, *, render: Render, report: Callable[[str], None]
) -> tuple[Finding, ...]:
    """Limits for every case that approximates another, written into the run for `accept` to take."""
    by_id = {case.id: case for case in cases if case.unsupported is None}
    wanted = [case for case in by_id.values() if case.strategy.promise.approximates]
    findings: list[Finding] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # thousands of comparisons, a second for many of them
        for name in dict.fromkeys(case.subject.name for case in wanted):
            mine = [case for case in wanted if case.subject.name == name]
            found = list(_of_subject(run, mine, by_id, extent, render, report, pool))
            _keep(run, name, found)
            findings += found
    return tuple(findings)


def _of_subject(
    run: Run,
    wanted: list[Case],
    by_id: Mapping[str, Case],
    extent: Extent,
    render: Render,
    report: Callable[[str], None],
    pool: Executor,
) -> Iterator[Finding]:
    subject, device = wanted[0].subject, wanted[0].device
    plan = asked(subject, device, extent)
    shown: dict[str, Rendered] = {}

    def of(case: Case, shots: tuple[Shot, ...]) -> Rendered | None:
        """The case with these shots, rendered once."""
        if case.id not in shown:
            report(f"{case.id}: {sum(shot.pictures for shot in shots)} pictures for its limits")
            folder = run.folder / FOLDER / case.id
            varied = replace(case, subject=replace(case.subject, shots=shots))
            shown[case.id] = Rendered(render(varied, folder), folder)
        crash = shown[case.id].rendering.crash
        if crash is not None:
            report(f"{case.id}: no limits, it crashed: {crash.sentence}")
        return shown[case.id] if crash is None else None

    names = {case.id for case in wanted}
    for case in wanted:
        reference = by_id.get(f"{subject.name}-{case.strategy.promise.approximates}")
        coarse = controls.coarser(case)
        actual = of(case, plan.shots)
        expected = of(reference, plan.shots if reference.id in names else plan.legal) if reference else None
        rougher = of(coarse, plan.legal[: extent.controls]) if coarse else None
        if expected is None or actual is None:
            continue
        ours, theirs = noise.dtype_of(case), subject.dtype
        if noise.draws_differ(actual.rendering.draws, ours, expected.rendering.draws, theirs):
            report(f"{case.id}: no limits, this torch draws other noise in {ours} than in {theirs}")
            continue
        samples = measure(case, plan, expected, actual, rougher, few=extent.controls, pool=pool)
        write_plain(run.folder / FOLDER / f"{case.id}.json", samples)
        finding = floors.find(samples, origin_of(run))
        if finding:
            yield finding
        else:
            report(f"{case.id}: no limits, {len(samples.legal)} pictures are too few")


def origin_of(run: Run) -> Origin:
    return Origin(run.machine.id, run.stack, run.facts.started[:10])


def measure(
    case: Case, plan: Asked, expected: Rendered, actual: Rendered, coarse: Rendered | None, *, few: int, pool: Executor
) -> Samples:
    """Likenesses of the legal pictures and of every control to the reference's pictures."""

    def likenesses(pairs: Iterable[tuple[Pixels, Pixels]]) -> list[Future[Likeness]]:
        """One for each pair; what cannot be compared at all is rejected without them."""
        return [pool.submit(likeness_of, one, other) for one, other in pairs if mismatch(one, other) is None]

    legal: list[Future[Likeness]] = []
    found: dict[str, list[Future[Likeness]]] = {
        name: [] for name in (*controls.SPOILS, *controls.ASKED, controls.COARSE)
    }
    for number, shot in enumerate(plan.legal):
        pairs = list(zip(expected.pixels(shot.name), actual.pixels(shot.name), strict=False))
        legal += likenesses(pairs)  # none where a slow strategy leaves a long shot out
        if number >= few:
            continue
        for name, spoil in controls.SPOILS.items():
            found[name] += likenesses((one, spoil(other, one)) for one, other in pairs)
        for name in controls.ASKED:
            if (name, number) in plan.others:
                others = actual.pixels(plan.others[name, number].name)
                found[name] += likenesses((one, other) for (one, _), other in zip(pairs, others, strict=False))
        if coarse:
            rougher = zip(expected.pixels(shot.name), coarse.pixels(shot.name), strict=False)
            found[controls.COARSE] += likenesses(rougher)
    if coarse is None:  # what does not quantize need not differ, and has nothing to make coarser
        del found[controls.UNTOUCHED], found[controls.COARSE]
    return Samples(
        subject=case.subject.name,
        strategy=case.strategy.name,
        reference=str(case.strategy.promise.approximates),
        legal=_samples(legal),
        controls={name: _samples(measured) for name, measured in found.items()},
        pictures=sum(shot.pictures for shot in case.shots),
    )


def _samples(measured: Iterable[Future[Likeness]]) -> tuple[Sample, ...]:
    return tuple(future.result().measures() for future in measured)


def _keep(run: Run, subject: str, findings: list[Finding]) -> None:
    """The limits for `accept`, and the table for a person."""
    if not findings:
        return
    strategies = {finding.strategy: finding.limits for finding in findings}
    write_plain(run.folder / "limits" / f"{subject}.json", LimitsFile(subject, run.machine.id, strategies, {}))
    write_whole(run.folder / FOLDER / f"{subject}.md", tables.page(findings, about=about(run, subject)).encode())


def about(run: Run, subject: str) -> str:
    """Where the numbers of a table come from."""
    stack = ", ".join(f"{name} {version}" for name, version in sorted(run.stack.items()))
    return f"## {subject} on {run.machine.id}\n\nMeasured {run.facts.started[:10]} on {run.machine.name}; {stack}."

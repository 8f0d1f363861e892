"""Portability: what the processor's instructions, the number of threads and the precision do to a CPU's pictures."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from suite.calibration import floors
from suite.calibration.calibrate import FOLDER, Render, Shown, origin_of
from suite.cases import Case
from suite.files import write_plain, write_whole
from suite.judge.likeness import Likeness, average, compare, worst
from suite.render.determinism import THREADS
from suite.store.limits import FULL, LimitsFile
from suite.store.runs import Run

AS_IT_IS = "as it is"
# What another processor, or another setting of this one, would do. torch takes no instructions that are not there.
VARIANTS: dict[str, dict[str, str]] = {
    AS_IT_IS: {},
    "AVX2 only": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "AVX2 only, torch's own kernels": {"ATEN_CPU_CAPABILITY": "avx2"},
    "AVX2 only, oneDNN": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "AVX-512 without bfloat16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    "no AVX": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    "1 thread": {THREADS: "1"},
    **{f"{number} threads": {THREADS: str(number)} for number in (3, 4, 8)},
}
DTYPES = ("bfloat16", "float32")


@dataclass(frozen=True)
class Row:
    """How far one variant's pictures are from those of the same precision as it is."""

    variant: str
    dtype: str
    pictures: int
    identical: int
    worst: Likeness
    average: Likeness


def portability(run: Run, case: Case, *, render: Render, report: Callable[[str], None]) -> tuple[Row, ...]:
    """A row for each variant and precision; the subject's own precision gives its drift, for `accept` to take.

    `render` must start each worker from nothing: what was imported before has settled which instructions it uses.
    """
    rows: list[Row] = []
    drifts: list[Likeness] = []
    for dtype in DTYPES:
        shown = {name: _shown(run, case, dtype, name, render, report) for name in VARIANTS}
        plain = shown.pop(AS_IT_IS)
        for name, variant in shown.items():
            found = list(_likenesses(plain, variant, case))
            if found:
                same = sum(likeness.identical for likeness in found)
                rows.append(Row(name, dtype, len(found), same, worst(found), average(found)))
            drifts += found if dtype == case.subject.dtype else []
    _keep(run, case.subject.name, rows, drifts)
    return tuple(rows)


def _shown(run: Run, case: Case, dtype: str, name: str, render: Render, report: Callable[[str], None]) -> Shown | None:
    """The case rendered in a precision as the variant would; None where this machine cannot."""
    report(f"{case.id}: {dtype}, {name}")
    folder = run.folder / FOLDER / f"{case.id}-{dtype}-{list(VARIANTS).index(name)}"
    with surroundings(VARIANTS[name]):
        rendering = render(replace(case, subject=replace(case.subject, dtype=dtype)), folder)
    if rendering.crash is not None:
        report(f"{case.id}: {dtype}, {name} crashed: {rendering.crash.sentence}")
        return None
    return Shown(rendering, folder)


@contextlib.contextmanager
def surroundings(changes: dict[str, str]) -> Iterator[None]:
    """The environment with some variables set, for the workers that start meanwhile."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _likenesses(plain: Shown | None, variant: Shown | None, case: Case) -> Iterator[Likeness]:
    if plain is not None and variant is not None:
        for shot in case.shots:
            pairs = zip(plain.pixels(shot.name), variant.pixels(shot.name), strict=True)
            yield from (compare(one, other) for one, other in pairs)


def _keep(run: Run, subject: str, rows: list[Row], drifts: list[Likeness]) -> None:
    measured = [likeness.measures() for likeness in drifts]
    bands = floors.drift(measured, origin_of(run), source="other instructions and threads")
    write_plain(run.folder / "limits" / f"{subject}.json", LimitsFile(subject, run.machine.id, {}, {FULL: bands}))
    write_whole(run.folder / FOLDER / f"{subject}-portability.md", page(rows).encode())


def page(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| precision | variant | identical | SSIM, worst | FLIP, worst | largest difference | mean difference |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.dtype} | {row.variant} | {row.identical} of {row.pictures} | {row.worst.ssim:.6f} |"
        f" {row.worst.flip:.4f} | {row.worst.max_difference:.0f} | {row.average.mean_difference:.4f} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"

"""Portability: what the processor's instructions and the number of threads do to a CPU's pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fluxgate.baselines.limits import LimitsFile
from fluxgate.calibration import floors
from fluxgate.calibration.calibrate import FOLDER, Render, origin_of
from fluxgate.calibration.drifting import likenesses
from fluxgate.cases import Case
from fluxgate.compare.likeness import Likeness, average, worst
from fluxgate.files import write_plain, write_whole
from fluxgate.locks import Say
from fluxgate.render.process.determinism import THREADS
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run
from fluxgate.variables import variables

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
STRATEGIES = ("full", "full-float32")  # the subject's own precision, and one that depends little on the machine


@dataclass(frozen=True)
class Row:
    """How far one variant's pictures are from those of the same strategy as it is."""

    variant: str
    strategy: str
    pictures: int
    identical: int
    worst: Likeness
    average: Likeness


def portability(run: Run, cases: Sequence[Case], *, render: Render, report: Say) -> tuple[Row, ...]:
    """A row for each case and variant of one subject; all variants of a case give its drift, for `accept` to take.

    `render` must start each worker from nothing: what was imported before has settled which instructions it uses.
    """
    rows: list[Row] = []
    drifts: dict[str, list[Likeness]] = {}
    for case in cases:
        for variant, measured in _variants(run, case, render=render, report=report):
            same = sum(likeness.identical for likeness in measured)
            rows.append(Row(variant, case.strategy.name, len(measured), same, worst(measured), average(measured)))
            drifts.setdefault(case.strategy.name, []).extend(measured)
    if rows:
        _write(run, cases[0].subject.name, rows, drifts)
    return tuple(rows)


def _variants(run: Run, case: Case, *, render: Render, report: Say) -> Iterator[tuple[str, list[Likeness]]]:
    """How far each variant of a case is from the case as it is; those that this machine cannot render are left out."""
    plain, *others = [(name, _rendered(run, case, name, render=render, report=report)) for name in VARIANTS]
    for name, variant in others:
        if plain[1] is not None and variant is not None:
            yield name, list(likenesses(plain[1], variant))


def _rendered(run: Run, case: Case, variant: str, *, render: Render, report: Say) -> Rendered | None:
    """The case rendered as the variant would; None where this machine cannot."""
    report(f"{case.id}: {variant}")
    folder = run.folder / FOLDER / f"{case.id}-{list(VARIANTS).index(variant)}"
    with variables(VARIANTS[variant]):
        rendering = render(case, folder)
    if rendering.crash is not None:
        report(f"{case.id}: {variant} crashed: {rendering.crash.sentence}")
        return None
    return Rendered(rendering, folder)


def _write(run: Run, subject: str, rows: list[Row], drifts: Mapping[str, list[Likeness]]) -> None:
    origin, source = origin_of(run), "other instructions and threads"
    bands = {
        strategy: floors.drift([one.measures() for one in measured], origin, source=source)
        for strategy, measured in drifts.items()
    }
    write_plain(run.folder / "limits" / f"{subject}.json", LimitsFile(subject, run.machine.id, {}, bands))
    write_whole(run.folder / FOLDER / f"{subject}-portability.md", page(rows).encode())


def page(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| strategy | variant | identical | SSIM, worst | FLIP, worst | largest difference | mean difference |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{row.strategy}` | {row.variant} | {row.identical} of {row.pictures} | {row.worst.ssim:.6f} |"
        f" {row.worst.flip:.4f} | {row.worst.max_difference:.0f} | {row.average.mean_difference:.4f} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"

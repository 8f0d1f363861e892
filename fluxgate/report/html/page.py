"""The report as one HTML page: a pure rendering of a Report, and of the pictures and facts of its run."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.cases import Case
from fluxgate.compare.difference import compare
from fluxgate.compare.facts import Facts
from fluxgate.files import is_name, write_whole
from fluxgate.judge.verdict import PASSED, PROMISE, Verdict
from fluxgate.machine import Stack
from fluxgate.refusal import Refusal
from fluxgate.report.cards import STANDARD
from fluxgate.report.columns import SYMBOLS
from fluxgate.report.html import answers
from fluxgate.report.html.album import Album, Comparison, album
from fluxgate.report.html.approvals import FILE, SCHEMA
from fluxgate.report.html.charts import SHAPES, memory_chart, trade_chart
from fluxgate.report.html.matrix import Matrix, matrix_of
from fluxgate.report.html.pictures import id_of
from fluxgate.report.html.section import Section, section_of
from fluxgate.report.html.text import anchor, shown, slug
from fluxgate.report.report import Report
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run

HERE = Path(__file__).parent
BESIDE = "-pictures"  # of the folder beside the page
OURS = re.compile(r"[0-9a-f]{20}\.png")  # the names that pictures have there
# Nothing is fetched but pictures, from the page itself and from beside it; no style or script runs but the page's own.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "img-src data: 'self'",
        "style-src {style}",
        "script-src {script}",
        "base-uri 'none'",
        "form-action 'none'",
    )
)


@dataclass(frozen=True)
class Page:
    """A page, and the pictures that are to lie beside it."""

    text: bytes
    whole: Mapping[str, Path]  # name within the folder beside it -> where the picture lies now


@dataclass(frozen=True)
class Material:
    """What a page is made of: the report, and what its run has of the cases."""

    report: Report
    cases: Mapping[str, Case]
    references: Mapping[str, str]  # case -> the case whose pictures its own are held against
    rendered: Mapping[str, Rendered]
    matrix: Matrix
    album: Album


@dataclass(frozen=True)
class Spotlight:
    """The comparison that the first screen shows, and whose it is."""

    case_id: str
    comparison: Comparison


def write_page(
    file: Path,
    report: Report,
    run: Run | None,
    cases: Iterable[Case],
    *,
    accepted: Stack | None = None,
    self_contained: bool = False,
) -> None:
    """Write the page, and its whole pictures into a folder beside it unless they are within. What an older page left
    in that folder goes.

    accepted: the stack that its baselines were accepted with."""
    beside = file.with_name(file.stem + BESIDE)
    page = page_of(report, run, cases, beside=beside.name, accepted=accepted, self_contained=self_contained)
    try:
        for name, place in page.whole.items():
            _put(place, beside / name)
        write_whole(file, page.text)
        for path in beside.glob("*.png"):
            if path.name not in page.whole and OURS.fullmatch(path.name):
                path.unlink()
    except OSError as error:
        raise Refusal(f"{file} cannot be written: {error.strerror}.") from error


def _put(place: Path, target: Path) -> None:
    """A picture beside the page: the same file under another name where that can be, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(place, target)
    except OSError:
        shutil.copyfile(place, target)


def page_of(
    report: Report,
    run: Run | None,
    cases: Iterable[Case],
    *,
    beside: str,
    accepted: Stack | None = None,
    self_contained: bool = False,
) -> Page:
    """The page; `beside` is the name of the folder that will have its whole pictures."""
    material = _material(report, run, {case.id: case for case in cases}, self_contained=self_contained)
    moved = compare(Facts(stack=accepted), Facts(stack=report.stack)).stack if accepted else ()
    given = {**_given(material, beside), "stack_changes": moved, "accepted": accepted is not None}
    return Page(_template().render(given).encode(), material.album.whole)


def _material(report: Report, run: Run | None, cases: Mapping[str, Case], *, self_contained: bool) -> Material:
    matrix, promises = matrix_of(report, cases), {case_id: case.strategy.promise for case_id, case in cases.items()}
    references = {
        case_id: f"{cases[case_id].subject.name}-{promise.reference}"
        for case_id, promise in promises.items()
        if promise.reference
    }
    if run is None:
        return Material(report, cases, references, {}, matrix, Album())
    every = run.rendered_cases()
    rendered = {line.row.case_id: every[line.row.case_id] for line in matrix.lines if line.row.case_id in every}
    pictures = album(rendered, references, report.verdicts, run=run.folder, whole=self_contained)
    return Material(report, cases, references, rendered, matrix, pictures)


# What the template is given


def _given(material: Material, beside: str) -> dict[str, Any]:
    report, matrix = material.report, material.matrix
    anchors = {line.row.case_id: anchor(line.row.case_id, number) for number, line in enumerate(matrix.lines)}
    style, script = (Markup((HERE / name).read_text(encoding="utf-8")) for name in ("page.css", "page.js"))
    charts = {subject: (memory_chart(rows), trade_chart(rows)) for subject, rows in report.tables.items()}
    return {
        "policy": POLICY.format(style=_hashed(style), script=_hashed(script)),
        "style": style,
        "script": script,
        "report": report,
        "outcome": answers.outcome(report),
        "moved": answers.moved(report),
        "suspicions": answers.suspicions(
            report.failures, {name: one.rendering for name, one in material.rendered.items()}, material.cases
        ),
        "checked": answers.checked(report.verdicts),
        "steps": tuple(answers.next_steps(report, material.cases)),
        "spotlight": _spotlight(material),
        "smallest_card": STANDARD[0],
        "matrix": matrix,
        "anchors": anchors,
        "charts": {subject: pair for subject, pair in charts.items() if any(pair)},
        "sections": tuple(_sections(material)),
        "printed": material.album.printed,
        "beside": beside,
        "data": _data(material, anchors),
    }


def _spotlight(material: Material) -> Spotlight | None:
    """The pair to look at first: one that a check failed by, else the one that is furthest apart within a promise."""
    kept = {one.case_id for one in material.report.verdicts if (one.check, one.status) == (PROMISE, PASSED)}
    every = (
        Spotlight(case_id, one)
        for case_id, those in material.album.comparisons.items()
        for one in those
        if one.apart and (one.pair.wrong or (case_id in kept and not material.report.failures))
    )
    return min(every, key=lambda spot: spot.comparison.rank, default=None)


def _hashed(text: str) -> str:
    """The hash by which the policy lets a style or a script run."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _sections(material: Material) -> Iterable[Section]:
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in material.report.verdicts:
        verdicts.setdefault(verdict.case_id, []).append(verdict)
    for line in material.matrix.lines:
        case_id = line.row.case_id
        reference = material.rendered.get(material.references.get(case_id, ""))
        yield section_of(
            line,
            material.cases.get(case_id),
            verdicts[case_id],
            material.album.comparisons.get(case_id, ()),
            ours=material.rendered.get(case_id),
            reference=reference.rendering if reference else None,
        )


def _data(material: Material, anchors: Mapping[str, str]) -> Markup:
    """What the script writes into approvals: the run, and of each case that can be approved the pictures it has."""
    cases = {
        anchors[case_id]: {
            "case": case_id,
            "pictures": [
                {"shot": one.shot, "index": one.index, "sha256": one.sha256}
                for one in rendered.rendering.pictures
                if one.take == 0
            ],
        }
        for case_id, rendered in material.rendered.items()
        if rendered.rendering.crash is None
    }
    run = material.report.run.id if material.report.run else ""
    names = {place: case_id for case_id, place in anchors.items() if is_name(case_id)}
    text = msgspec.json.encode({"schema": SCHEMA, "run": run, "file": FILE, "names": names, "cases": cases}).decode()
    return Markup(text.replace("<", "\\u003c"))  # so that no name ends the element that holds it


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(amount=amount, seconds=figures.seconds, percent=figures.percent, slug=slug)
    environment.filters.update(likeness=figures.likeness, ours=Markup)
    environment.globals.update(symbols=SYMBOLS, shapes=SHAPES, id_of=id_of)
    return environment.get_template("page.html.j2")

"""The report as one HTML page: a pure rendering of a Report, and of the pictures and facts that it is on."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
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
from fluxgate.judge.sentences import sentence_case
from fluxgate.judge.verdict import PASSED, PROMISE, Verdict
from fluxgate.machine import Stack
from fluxgate.refusal import Refusal
from fluxgate.report.cards import STANDARD
from fluxgate.report.columns import SYMBOLS
from fluxgate.report.html import answers, gate_answers
from fluxgate.report.html.album import Album, Comparison, album
from fluxgate.report.html.approvals import FILE, SCHEMA
from fluxgate.report.html.charts import SHAPES, memory_chart, trade_chart
from fluxgate.report.html.matrix import Matrix, matrix_of
from fluxgate.report.html.pictures import Whole, id_of
from fluxgate.report.html.section import Section, section_of
from fluxgate.report.html.sides import Sides
from fluxgate.report.html.steps import StepTable, step_tables
from fluxgate.report.html.text import anchor, shown, slug
from fluxgate.report.report import Report, ReportedGate

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
    """What a page is made of: the report, and both sides of its cases."""

    report: Report
    cases: Mapping[str, Case]
    sides: Sides
    matrix: Matrix
    album: Album
    steps: Mapping[str, StepTable]  # by case
    whole: Whole


@dataclass(frozen=True)
class Spotlight:
    """The comparison that the first screen shows, and whose it is."""

    case_id: str
    comparison: Comparison
    kept: bool  # its promise was judged, and is kept


def write_page(
    file: Path,
    report: Report,
    sides: Sides,
    cases: Iterable[Case],
    *,
    accepted: Stack | None = None,
    whole: Whole = Whole.BESIDE,
) -> None:
    """Write the page, and its whole pictures into a folder beside it if they are to be there. What an older page left
    in that folder goes.

    accepted: the stack that its baselines were accepted with."""
    if file.is_dir():
        raise Refusal(f"{file} cannot be written: {os.strerror(errno.EISDIR)}.")
    beside = file.with_name(file.stem + BESIDE)
    page = page_of(report, sides, cases, beside=beside.name, accepted=accepted, whole=whole)
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
    """A picture beside the page: the same file under another name where that can be, else a whole copy, since one that
    is there is taken for whole the next time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(place, target)
    except OSError:
        write_whole(target, place.read_bytes())


def page_of(
    report: Report,
    sides: Sides,
    cases: Iterable[Case],
    *,
    beside: str,
    accepted: Stack | None = None,
    whole: Whole = Whole.BESIDE,
) -> Page:
    """The page; `beside` is the name of the folder that will have its whole pictures."""
    material = _material(report, sides, {case.id: case for case in cases}, whole=whole)
    own = _of_gate(report, report.gate) if report.gate else _of_run(material, accepted)
    template = _template("gate.html.j2" if report.gate else "run.html.j2")
    return Page(template.render({**_given(material, beside), **own}).encode(), material.album.whole)


def _material(report: Report, sides: Sides, cases: Mapping[str, Case], *, whole: Whole) -> Material:
    matrix = matrix_of(report, cases)
    if report.gate:
        matrix = replace(matrix, lines=tuple(sorted(matrix.lines, key=lambda line: not line.failed)))
    shown = sides.of(line.row.case_id for line in matrix.lines)
    pictures = album(shown, report.verdicts, whole=whole)
    steps, thumbnails = step_tables(shown, pictures.comparisons)
    pictures = replace(pictures, printed={**pictures.printed, **dict(sorted(thumbnails.items()))})
    return Material(report, cases, shown, matrix, pictures, steps, whole)


# What the template is given


def _given(material: Material, beside: str) -> dict[str, Any]:
    """What every page shows."""
    report, matrix = material.report, material.matrix
    anchors = {line.row.case_id: anchor(line.row.case_id, number) for number, line in enumerate(matrix.lines)}
    style, script = (Markup((HERE / name).read_text(encoding="utf-8")) for name in ("page.css", "page.js"))
    return {
        "policy": POLICY.format(style=_hashed(style), script=_hashed(script)),
        "style": style,
        "script": script,
        "report": report,
        "spotlight": _spotlight(material),
        "matrix": matrix,
        "anchors": anchors,
        "sections": tuple(_sections(material)),
        "printed": material.album.printed,
        "beside": beside if material.album.whole else "",
        "small_only": material.whole is Whole.NOWHERE,
        "data": _data(material, anchors),
    }


def _of_run(material: Material, accepted: Stack | None) -> dict[str, Any]:
    """What the page of a run shows beside that; accepted: the stack that its baselines were accepted with."""
    report = material.report
    renderings = {name: one.rendering for name, one in material.sides.rendered.items()}
    suspicions = answers.suspicions(report.failures, renderings, material.cases)
    changes = compare(Facts(stack=accepted), Facts(stack=report.stack)).stack if accepted else ()
    charts = {subject: (memory_chart(rows), trade_chart(rows)) for subject, rows in report.tables.items()}
    return {
        "outcome": answers.outcome(report),
        "lead": "",
        "states": {},
        "turned": {},
        "moved": answers.moved(report),
        "suspicions": suspicions,
        "checked": answers.checked(report.verdicts),
        "steps": tuple(answers.next_steps(report, material.cases)),
        "smallest_card": STANDARD[0],
        "charts": {subject: pair for subject, pair in charts.items() if any(pair)},
        "stack_changes": answers.suspected_first(changes, suspicions),
        "accepted": accepted is not None,
    }


def _of_gate(report: Report, gate: ReportedGate) -> dict[str, Any]:
    """What the page of a gate shows beside that."""
    result = gate.result
    return {
        "gate": result,
        "outcome": gate_answers.OUTCOMES[result.answer],
        "lead": gate_answers.lead(result),
        "moved": gate_answers.moved_cases(gate, report.cases),
        "blame": gate_answers.blame(result),
        "tally": gate_answers.tally(result),
        "compared": gate_answers.compared(result),
        "tier": gate_answers.tier(result),
        "steps": tuple(gate_answers.next_steps(result, folder=report.run.folder if report.run else result.id)),
        "states": {case.case_id: (gate_answers.SYMBOLS[case.outcome], case.outcome.value) for case in result.cases},
        "turned": {case.case_id: tuple(gate_answers.turned(case)) for case in result.cases},
    }


def _spotlight(material: Material) -> Spotlight | None:
    """The pair to look at first: one that a check failed by, else the one that is furthest apart within a promise, else
    the one of which nobody has measured how far it may be."""
    kept = {one.case_id for one in material.report.verdicts if (one.check, one.status) == (PROMISE, PASSED)}
    failed = bool(material.report.failures)
    every = (
        Spotlight(case_id, one, case_id in kept)
        for case_id, those in material.album.comparisons.items()
        for one in those
        if one.apart and (one.pair.wrong or not failed)
    )
    return min(every, key=lambda spot: (not spot.kept, spot.comparison.rank), default=None)


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
        section = section_of(
            line,
            material.cases.get(case_id),
            verdicts[case_id],
            material.album.comparisons.get(case_id, ()),
            ours=material.sides.rendered.get(case_id),
            held_against=material.sides.held_against.get(case_id),
        )
        yield replace(section, steps=material.steps.get(case_id))


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
        for case_id, rendered in material.sides.rendered.items()
        if rendered.rendering.crash is None
    }
    names = {place: case_id for case_id, place in anchors.items() if is_name(case_id)}
    data = {"schema": SCHEMA, "run": material.sides.run_id, "file": FILE, "names": names, "cases": cases}
    text = msgspec.json.encode(data).decode()
    return Markup(text.replace("<", "\\u003c"))  # so that no name ends the element that holds it


def _template(name: str) -> Any:
    return _environment().get_template(name)


@cache  # compiling the templates takes some tenths of a second
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(amount=amount, seconds=figures.seconds, percent=figures.percent, slug=slug)
    environment.filters.update(likeness=figures.likeness, capital=sentence_case, ours=Markup)
    environment.globals.update(symbols=SYMBOLS, shapes=SHAPES, id_of=id_of)
    return environment

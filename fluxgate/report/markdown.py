"""The report as Markdown: how much was gated, tables of figures and answers, a sentence for all that is not green."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fluxgate import figures
from fluxgate.judge.sentences import sentence_case
from fluxgate.judge.verdict import CHECKS, CRASHED, Verdict
from fluxgate.report.columns import BESIDE, columns_of, legend
from fluxgate.report.escaping import lines
from fluxgate.report.escaping import markdown as safe
from fluxgate.report.published_settings import PublishedSettings
from fluxgate.report.report import Report, ReportedRun
from fluxgate.report.rows import Row


def markdown(report: Report) -> str:
    """The whole report."""
    return "\n\n".join(_blocks(report)) + "\n"


def _blocks(report: Report) -> Iterator[str]:
    """Headings, paragraphs, lists and tables, in their order."""
    yield f"# Fluxgate on {safe(report.machine.name)}"
    yield safe(report.headline)
    if report.gated.missing:
        yield "Not gated:"
        yield bullets(map(safe, report.gated.missing))
    yield f"With {safe(', '.join(f'{name} {version}' for name, version in report.versions.items()))}."
    for subject, rows in report.tables.items():
        yield f"## {safe(subject)}"
        yield from _figures(rows)
        yield _answers(rows)
    for published in report.settings:
        yield from _settings(published)
    yield from _section("To look at", _verdicts(report.failures))
    yield from _section("Known failures", _verdicts(report.known_failures))
    yield from _section("New warnings", _verdicts(report.warned))
    gated = report.gated
    cells = (f"{sentence_case(group.status)}: {gated.which(group)}. {group.reason}" for group in gated.unanswered_cells)
    yield from _section("Not answered", map(safe, cells))
    cases = (f"{', '.join(gated.names(group.cases))}: {group.reason}" for group in gated.cannot_run)
    yield from _section("Cannot run here", map(safe, cases))
    if report.run:
        yield _origin(report.run)


def _figures(rows: Sequence[Row]) -> Iterator[str]:
    """What each strategy promises and what was measured of it, beside what somebody else reported."""
    measured = columns_of(rows)
    rows = [row for row in rows if any(column.value(row) is not None for column in measured)]
    if not rows:
        return
    published = any(row.published is not None for row in rows)
    columns = [*measured, *(BESIDE if published else ())]
    yield table(
        ["strategy", "promise", *(column.title for column in columns)],
        ([safe(row.strategy), safe(row.promise or ""), *(one.cell(row, one.full) for one in columns)] for row in rows),
    )
    yield bullets(map(safe, legend(columns, rows, titles=True)))


def _answers(rows: Sequence[Row]) -> str:
    """The status of every check; a cell is empty where the check does not apply."""
    checks = [check for check in CHECKS if any(check in row.statuses for row in rows)]
    cells = ([safe(row.strategy), *(safe(row.statuses.get(check, "")) for check in checks)] for row in rows)
    return table(["strategy", *checks], cells)


def _settings(published: PublishedSettings) -> Iterator[str]:
    """What each published setting changed, and which of them more."""
    yield f"## What the published settings change: {safe(published.subject)} against {safe(published.reference)}"
    yield table(
        ["setting", "strategy", "least SSIM", "mean SSIM", "largest difference", "changed pixels", "first differs at"],
        (
            [
                safe(one.setting),
                safe(one.strategy),
                figures.likeness(one.least_ssim),
                figures.likeness(one.mean_ssim),
                f"{one.largest_difference:.0f}/255",
                figures.percent(one.changed_pixels),
                safe(one.first_stage or ""),
            ]
            for one in published.changes
        ),
    )
    yield safe(published.sentence)


def _verdicts(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """A sentence for each, with the lines that follow it."""
    for verdict in verdicts:
        first, *rest = lines(verdict.sentence) or [""]
        check = "" if verdict.status == CRASHED else f", {safe(verdict.check)}"
        head = f"**{safe(verdict.case_id)}**{check} ({verdict.status}): {safe(first)}"
        yield "\n".join([head, *(f"  {safe(line.strip())}  " for line in rest)])


def _origin(run: ReportedRun) -> str:
    """Where the run is, and where it came from."""
    took = f" and took {figures.seconds(run.seconds)}" if run.seconds is not None else ""
    commit = f" with Fluxgate at commit {run.commit}" if run.commit else ""
    origin = f"It was started by {run.command} at {run.started}{commit}{took}."
    return safe(" ".join([f"The run is in {run.folder}.", origin, *run.conditions]))


# Markdown's own forms


def _section(title: str, items: Iterable[str]) -> Iterator[str]:
    items = list(items)
    if items:
        yield f"## {title}"
        yield bullets(items)


def bullets(items: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"- {item}" for item in items)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are Markdown already."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows))

"""The report for a terminal: how much was gated, a table, then a sentence for all that is not green."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fluxgate import figures
from fluxgate.judge.sentences import sentence_case
from fluxgate.judge.verdict import BASELINE, CHECKS, CRASHED, NO_DATA, PASSED, STATUSES, Verdict
from fluxgate.report.columns import SYMBOLS, WORDS, Column, columns_of, legend
from fluxgate.report.escaping import ascii_only, lines, plain, shortened, wrapped
from fluxgate.report.published_settings import PublishedSettings, SettingChange
from fluxgate.report.report import Report
from fluxgate.report.rows import Row

NARROWEST = 60
CELL = 2  # characters of a check's column
GAP = 1  # characters before a figure


@dataclass(frozen=True)
class _Layout:
    """What of a table fits: how wide the names are, which checks have a column, and which figures of what width."""

    name: int
    checks: tuple[str, ...]
    figures: dict[Column, int]


def terminal(report: Report, *, width: int = 80, unicode: bool = True) -> str:
    """The whole report; its last line says where the run is."""
    width = max(width, NARROWEST)
    rows = [row for table in report.tables.values() for row in table]
    layout = _layout(report.tables, rows, width)
    blocks = (
        _opening(report, width),
        _table(report, layout, width) if rows else (),
        _legend(report, rows, layout, width),
        _unanswered(report, width),
        *(_settings(published, width) for published in report.settings),
        *(_verdict(verdict, lines(verdict.sentence)[:1], width) for verdict in report.known_failures),
        *(_verdict(verdict, lines(verdict.sentence), width) for verdict in report.failures),
        *(_verdict(verdict, lines(verdict.sentence), width) for verdict in report.warned),
        *(wrapped(verdict.sentence, width) for verdict in report.libraries if verdict.status == PASSED),
        _closing(report, rows, width),
    )
    text = "\n\n".join("\n".join(block) for block in map(list, blocks) if block)
    return text if unicode else "\n".join(map(ascii_only, text.split("\n")))


def _opening(report: Report, width: int) -> Iterator[str]:
    """Whether the run was cut short, how much was gated, and what was not."""
    cut_short = report.cut_short.sentence if report.cut_short else ""
    yield from wrapped(cut_short, width)
    yield from wrapped(report.headline.removeprefix(cut_short).strip(), width)
    if report.gated.missing:
        yield "Not gated:"
        for sentence in report.gated.missing:
            yield from wrapped(sentence, width, indent="  ")


# The table


def _layout(subjects: Iterable[str], rows: Sequence[Row], width: int) -> _Layout:
    """Figures are left out where there is no room for all, and a long name gives way to those that stay."""
    checks = tuple(check for check in CHECKS if any(check in row.statuses for row in rows))
    name = max((len(plain(text)) for text in (*subjects, *(row.strategy for row in rows))), default=0)
    room = width - 1 - CELL * len(checks)
    columns = {
        column: GAP + max(len(text) for text in (column.heading, *(column.cell(row, column.brief) for row in rows)))
        for column in columns_of(rows)
    }
    for column in sorted(columns, key=lambda column: -column.rank):
        if column.rank and name + sum(columns.values()) > room:
            del columns[column]
    words = max((CELL * number + len(WORDS[check]) for number, check in enumerate(checks)), default=0)
    return _Layout(min(name, room - sum(columns.values()), width - 1 - words), checks, columns)


def _legend(report: Report, rows: Sequence[Row], layout: _Layout, width: int) -> Iterator[str]:
    """What the symbols in use and the figures stand for."""
    used = {status for row in rows for status in row.statuses.values()}
    yield from wrapped(", ".join(f"{SYMBOLS[status]} {status}" for status in STATUSES if status in used), width)
    for line in legend(layout.figures, rows):
        yield from wrapped(line, width)
    for sentence in report.run.conditions if report.run else ():
        yield from wrapped(sentence, width)


def _table(report: Report, layout: _Layout, width: int) -> Iterator[str]:
    """The names of the checks over their columns, then the rows of each subject."""
    yield from _stairs(layout, width)
    heads = "".join(f"{column.heading:>{wide}}" for column, wide in layout.figures.items())
    for subject, rows in report.tables.items():
        yield _line(subject, layout, ["│"] * len(layout.checks), heads)
        for row in rows:
            symbols = [SYMBOLS.get(row.statuses.get(check, ""), "") for check in layout.checks]
            cells = (f"{column.cell(row, column.brief):>{wide}}" for column, wide in layout.figures.items())
            yield _line(row.strategy, layout, symbols, "".join(cells))


def _stairs(layout: _Layout, width: int) -> Iterator[str]:
    """Each check's name on a line of its own, where its column begins."""
    for number, check in enumerate(layout.checks):
        before = " " * (layout.name + 1) + "│ " * number
        yield before + (check if len(before + check) <= width else WORDS[check])


def _line(name: str, layout: _Layout, symbols: Iterable[str], figures_: str) -> str:
    cells = "".join(f"{symbol:<{CELL}}" for symbol in symbols)
    return f"{shortened(plain(name), layout.name):<{layout.name}} {cells}{figures_}".rstrip()


# What stands below it


def _unanswered(report: Report, width: int) -> Iterator[str]:
    """Why single cells have no answer."""
    for group in report.gated.unanswered_cells:
        yield from wrapped(f"{sentence_case(group.status)}: {report.gated.which(group)}. {group.reason}", width)


def _settings(published: PublishedSettings, width: int) -> Iterator[str]:
    """What each published setting changed, and which of them more."""
    title = f"What the published settings change: {published.subject} against {published.reference}"
    yield from wrapped(title, width)
    for text in (*map(_change, published.changes), published.sentence):
        yield from wrapped(text, width, indent="  ")


def _change(one: SettingChange) -> str:
    mean, least = figures.likeness(one.mean_ssim), figures.likeness(one.least_ssim)
    most = f"{figures.percent(one.changed_pixels)} of the pixels by at most {one.largest_difference:.0f}/255"
    where = f", first at {one.first_stage}" if one.first_stage else ""
    return f"{one.setting}: SSIM {mean} on average, {least} at the least; {most}{where}"


def _verdict(verdict: Verdict, sentences: Iterable[str], width: int) -> Iterator[str]:
    check = "" if verdict.status == CRASHED else f" · {verdict.check}"
    yield from wrapped(f"{verdict.status.upper()} {verdict.case_id}{check}", width)
    for line in sentences:
        own = line[: len(line) - len(line.lstrip())]  # of a traceback
        yield from wrapped(line, width, indent="  ", further=f"  {own}")


def _closing(report: Report, rows: Iterable[Row], width: int) -> Iterator[str]:
    """What it was rendered with, where there are pictures to look at, the counts of the table's cells, and the run."""
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield from wrapped(f"On {report.machine.name} with {versions}", width)
    rows = tuple(rows)
    if report.run is not None and any(row.is_wrong or row.statuses.get(BASELINE) == NO_DATA for row in rows):
        page = shlex.join(["fluxgate", "report", report.run.folder, "--format=html", "--output=report.html"])
        yield "See the pictures:"
        yield f"  {plain(page)}"  # in one line, so that it can be copied
    counts = Counter(status for row in rows for status in row.statuses.values())
    yield ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status]) or "no verdict"
    if report.run is not None:
        yield f"The run is in {plain(report.run.folder)}"

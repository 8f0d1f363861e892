"""The matrix of a page: a row for each case that was rendered, and what the filters and the sorting ask of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fluxgate.cases import Case
from fluxgate.judge.verdict import (
    BASELINE,
    CHECKS,
    CRASHED,
    EFFECT_CHECKS,
    FAILED,
    INVENTORY,
    KNOWN_FAILURE,
    MEMORY_CHECKS,
    NO_DATA,
    NOT_SELECTED,
    PASSED,
    PICTURE_CHECKS,
    SPEED,
    SPEED_CHECKS,
    STATUSES,
    UNSUPPORTED,
    WORK,
    Verdict,
)
from fluxgate.rendering import PHASES
from fluxgate.report.columns import SYMBOLS, WORDS, Column, columns_of, legend, meanings
from fluxgate.report.escaping import first_line
from fluxgate.report.report import Report
from fluxgate.report.rows import Row

GROUPS = {"Pictures": PICTURE_CHECKS, "Memory": MEMORY_CHECKS, "Effect": EFFECT_CHECKS, "Speed": SPEED_CHECKS}
GRAVEST = (CRASHED, FAILED, KNOWN_FAILURE, NO_DATA, PASSED, UNSUPPORTED, NOT_SELECTED)
SINCE_ACCEPTED = (BASELINE, INVENTORY, WORK, SPEED)  # the checks that ask whether something changed
NOT_AS_ACCEPTED = (FAILED, KNOWN_FAILURE)


@dataclass(frozen=True)
class Cell:
    """The answer to one check, or none where it does not apply."""

    check: str
    status: str
    symbol: str
    words: str


@dataclass(frozen=True)
class Line:
    """A case in the matrix."""

    row: Row
    family: str
    status: str  # the gravest of its answers
    symbol: str
    changed: bool  # something is not as it was accepted
    cells: tuple[Cell | None, ...]
    figures: tuple[tuple[str, str], ...]  # for sorting, and in words

    @property
    def failed(self) -> bool:
        return self.row.is_wrong

    @property
    def words(self) -> str:
        """Its status; where all that was answered is well, how much that is."""
        statuses = [cell.status for cell in self.cells if cell]
        passed = statuses.count(PASSED)
        return f"{passed} of {len(statuses)} passed" if self.status == NO_DATA and passed else self.status


@dataclass(frozen=True)
class Matrix:
    """The heads and lines of the matrix, and what can be chosen."""

    groups: tuple[tuple[str, int], ...]  # heading -> how many checks are below it
    checks: tuple[tuple[str, str], ...]  # name and word
    columns: tuple[Column, ...]
    meanings: tuple[str, ...]  # what each column shows
    lines: tuple[Line, ...]
    families: tuple[str, ...]
    subjects: tuple[str, ...]
    legend: tuple[str, ...]  # what the columns show

    @property
    def statuses(self) -> tuple[str, ...]:
        """Those that occur."""
        used = {cell.status for line in self.lines for cell in line.cells if cell}
        return tuple(status for status in STATUSES if status in used)


def matrix_of(report: Report, cases: Mapping[str, Case]) -> Matrix:
    """A line for each case that was rendered."""
    rows = [row for table in report.tables.values() for row in table]
    checks = [check for check in CHECKS if any(check in row.statuses for row in rows)]
    verdicts = {(verdict.case_id, verdict.check): verdict for verdict in report.verdicts}
    columns = tuple(column for column in columns_of(rows) if column.heading not in PHASES)  # a chart has those
    lines = tuple(_line(row, checks, columns, verdicts, cases.get(row.case_id)) for row in rows)
    counts = ((name, sum(check in group for check in checks)) for name, group in GROUPS.items())
    return Matrix(
        groups=tuple((name, count) for name, count in counts if count),
        checks=tuple((check, WORDS[check]) for check in checks),
        columns=columns,
        meanings=tuple(meanings(columns, rows)),
        lines=lines,
        families=tuple(dict.fromkeys(line.family for line in lines if line.family)),
        subjects=tuple(report.tables),
        legend=tuple(legend(columns, rows, titles=True)),
    )


def _line(
    row: Row,
    checks: Sequence[str],
    columns: Iterable[Column],
    verdicts: Mapping[tuple[str, str], Verdict],
    case: Case | None,
) -> Line:
    status = min(row.statuses.values(), key=GRAVEST.index)
    return Line(
        row=row,
        family=case.strategy.family if case else "",
        status=status,
        symbol=SYMBOLS[status],
        changed=any(row.statuses.get(check) in NOT_AS_ACCEPTED for check in SINCE_ACCEPTED),
        cells=tuple(_cell(verdicts.get((row.case_id, check))) for check in checks),
        figures=tuple(_figure(row, column) for column in columns),
    )


def _cell(verdict: Verdict | None) -> Cell | None:
    if verdict is None:
        return None
    return Cell(verdict.check, verdict.status, SYMBOLS[verdict.status], first_line(verdict.sentence))


def _figure(row: Row, column: Column) -> tuple[str, str]:
    value = column.value(row)
    return ("", "") if value is None else (f"{value:.9g}", column.full(value))

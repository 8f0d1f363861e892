"""Tests of the matrix."""

from __future__ import annotations

from pathlib import Path

from fluxgate.judge.verdict import BASELINE, CHECKS, FAILED, LESS, NO_DATA, PASSED, PROMISE, UNSUPPORTED
from fluxgate.report.html.matrix import matrix_of
from tests.report.made import changed, of_case, report
from tests.runs import building


def test_a_row_has_a_cell_for_each_check_and_none_where_it_does_not_apply() -> None:
    """In the order of the checks, under their groups."""
    without = [verdict for verdict in of_case("full", PASSED) if verdict.check != LESS]
    found = matrix_of(report([*without, *of_case("nf4", PASSED)]), building.CASES)
    assert [name for name, _ in found.checks] == list(CHECKS)
    assert sum(count for _, count in found.groups) == len(CHECKS)
    empty = [check for (check, _), cell in zip(found.checks, found.lines[0].cells, strict=True) if cell is None]
    assert empty == [LESS]


def test_a_case_has_the_gravest_of_its_statuses() -> None:
    """One failure among ten checks is a failed case."""
    (line,) = matrix_of(report(changed(of_case("nf4", PASSED), PROMISE, status=FAILED)), building.CASES).lines
    assert (line.status, line.failed, line.changed, line.family) == (FAILED, True, False, "test")


def test_a_case_without_all_its_answers_says_how_many_are_well() -> None:
    """A single check without data does not stand for the others."""
    told = report(changed(of_case("nf4", PASSED), PROMISE, status=NO_DATA))
    (line,) = matrix_of(told, building.CASES).lines
    assert (line.status, line.words) == (NO_DATA, f"{len(CHECKS) - 1} of {len(CHECKS)} passed")


def test_changed_is_what_is_not_as_it_was_accepted() -> None:
    """The baseline says so."""
    (line,) = matrix_of(report(changed(of_case("nf4", PASSED), BASELINE, status=FAILED)), building.CASES).lines
    assert line.changed


def test_what_cannot_run_here_has_no_row() -> None:
    """The first screen tells of it."""
    told = report([*of_case("full", PASSED), *of_case("nf4", UNSUPPORTED)])
    assert [line.row.strategy for line in matrix_of(told, {}).lines] == ["full"]


def test_figures_have_a_number_for_sorting_and_words_for_reading(tmp_path: Path) -> None:
    """The peaks of single phases are in the chart instead."""
    renderings = {"tiny-full": building.rendering("full", tmp_path)}
    found = matrix_of(report(of_case("full", PASSED), renderings), building.CASES)
    assert [column.heading for column in found.columns] == ["peak", "time"]
    assert found.lines[0].figures == (("1e+09", "1.00 GB"), ("3", "3.00 s"))

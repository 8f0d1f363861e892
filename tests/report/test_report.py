"""Tests of the rows and counts that every report is made of."""

from dataclasses import replace
from pathlib import Path

from fluxgate.cases import Case
from fluxgate.judge.verdict import (
    CHECKS,
    CRASHED,
    FAILED,
    KNOWN_FAILURE,
    NO_DATA,
    NOT_SELECTED,
    PASSED,
    STATUSES,
    UNSUPPORTED,
)
from fluxgate.report.report import counts, measured_anything, reasons, red, rows
from tests.report.made import of_case, renderings, verdicts
from tests.runs.building import FULL, SUBJECT, rendering, strategy


def test_every_case_has_one_row_with_every_check(tmp_path: Path) -> None:
    """In the order in which the cases come, with the figures of those that were rendered."""
    found = rows(verdicts(), renderings(tmp_path))
    assert [row.strategy for row in found][:3] == ["full", "vae-tiling", "nf4"]
    assert all(tuple(row.statuses) == CHECKS for row in found)
    assert (found[0].peaks["whole"], found[0].seconds, found[0].likeness) == (10**9, 3.0, None)
    assert (found[1].likeness, found[2].peaks["whole"], found[2].seconds) == (0.912, None, None)


def test_a_row_tells_what_was_promised(tmp_path: Path) -> None:
    """Where the case is known; a strategy without a reference is one itself."""
    cases = {
        case.id: case
        for case in (
            Case(replace(SUBJECT, published={"full": 39.27}), one, "cuda")
            for one in (FULL, strategy("vae-tiling", approximates="full"), strategy("nf4", reproduces="nf4-linear"))
        )
    }
    found = rows(verdicts(), renderings(tmp_path), cases=cases)
    promises = ["the reference", "approximates full", "reproduces nf4-linear", None, None, None]
    assert [row.promise for row in found] == promises
    assert [row.published for row in found] == [39.27e9, *[None] * 5]


def test_a_check_that_nobody_asked_was_not_selected() -> None:
    """A row is whole even if only some verdicts are there."""
    (row,) = rows(verdicts()[:1], {})
    assert list(row.statuses.values()).count(NOT_SELECTED) == len(CHECKS) - 1


def test_host_memory_stands_in_where_there_is_no_gpu(tmp_path: Path) -> None:
    """The figure is named; it is never a 0 for what was not measured."""
    one = rendering("full", tmp_path)
    assert one.memory is not None
    phases = tuple(replace(phase, allocated=None) for phase in one.memory.phases)
    (row,) = rows(of_case("full", PASSED), {"tiny-full": replace(one, memory=replace(one.memory, phases=phases))})
    assert (row.figure, row.peaks["denoise"]) == ("host", 2 * 10**9)
    (row,) = rows(of_case("full", PASSED), {"tiny-full": replace(one, memory=None)})
    assert set(row.peaks.values()) == {None}


def test_counts_cover_every_status() -> None:
    """The numbers add up to the verdicts."""
    found = counts(verdicts())
    assert tuple(found) == tuple(status for status in STATUSES if status != NO_DATA)
    assert sum(found.values()) == len(verdicts())
    assert found == {PASSED: 21, FAILED: 1, CRASHED: 11, KNOWN_FAILURE: 11, UNSUPPORTED: 11, NOT_SELECTED: 11}


def test_a_crash_is_told_once() -> None:
    """Eleven crashed checks are one thing to look at."""
    assert [(verdict.strategy, verdict.status) for verdict in red(verdicts())] == [
        ("vae-tiling", FAILED),
        ("nf4", CRASHED),
    ]


def test_reasons_are_shared_by_their_first_sentence() -> None:
    """Figures that follow do not tell reasons apart."""
    some = [*of_case("a", UNSUPPORTED, "No floor. It is 0.9."), *of_case("b", UNSUPPORTED, "No floor. It is 0.8.")]
    assert {reason: len(found) for reason, found in reasons(some, UNSUPPORTED).items()} == {"No floor.": 22}


def test_nothing_measured_is_seen() -> None:
    """Unsupported, crashed and unselected cells alone measure nothing."""
    for status, measured in zip(STATUSES, (True, True, False, True, False, False, False), strict=True):
        assert measured_anything(of_case("full", status)) is measured

"""Tests of the rows that every report is made of."""

from dataclasses import replace
from pathlib import Path

from fluxgate.judge.verdict import CHECKS, PASSED
from fluxgate.report.rows import rows_of
from tests.report.made import cases, of_case, renderings, verdicts
from tests.runs.building import rendering


def test_every_case_has_one_row(tmp_path: Path) -> None:
    """In the order in which the cases come, with the figures of those that were rendered."""
    full, tiling, nf4, *_ = rows_of(verdicts(), renderings(tmp_path), cases={}, cards={"tiny-full": 24})
    assert [row.strategy for row in (full, tiling, nf4)] == ["full", "vae-tiling", "nf4"]
    assert (full.peaks["whole"], full.seconds, full.likeness, full.card) == (10**9, 3.0, None, 24)
    assert (tiling.likeness, tiling.card) == (0.912, None)
    assert (nf4.peaks["whole"], nf4.seconds) == (None, None)


def test_a_check_that_does_not_apply_has_no_cell() -> None:
    """It has no verdict, and the row does not make one up."""
    (row,) = rows_of(of_case("full", PASSED)[:2], {}, cases={}, cards={})
    assert row.statuses == dict.fromkeys(CHECKS[:2], PASSED)


def test_a_row_has_the_promise_and_what_was_published() -> None:
    """Where the case is known; a strategy without a reference is one itself."""
    matrix = {case.id: case for case in cases(full=39.27)}
    full, tiling, nf4, *_ = rows_of(verdicts(), {}, cases=matrix, cards={})
    assert (full.promise, tiling.promise, nf4.promise) == ("the reference", "approximates full", None)
    assert (full.published, tiling.published) == (39.27e9, None)


def test_host_memory_stands_in_where_there_is_no_gpu(tmp_path: Path) -> None:
    """The row says which memory it is of; what was not measured is never 0."""
    one = rendering("full", tmp_path)
    assert one.memory is not None
    on_cpu = replace(one.memory, phases=tuple(replace(phase, allocated=None) for phase in one.memory.phases))
    for memory, figure, peak in ((on_cpu, "host", 2 * 10**9), (None, "allocated", None)):
        measured = {"tiny-full": replace(one, memory=memory)}
        (row,) = rows_of(of_case("full", PASSED), measured, cases={}, cards={})
        assert (row.figure, row.peaks["denoise"], row.peaks["whole"]) == (figure, peak, peak)

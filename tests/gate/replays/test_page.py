"""Tests of the page about the replays."""

from __future__ import annotations

from dataclasses import replace

from fluxgate.gate.replays.page import page
from fluxgate.gate.replays.played import Status
from tests.gate.replays.made import NEIGHBOUR, ON_A_GPU, REGRESSION, result
from tests.wording import unsaid

OTHER = replace(REGRESSION, name="other")
ROWS = {row.name: row for row in (REGRESSION, OTHER, ON_A_GPU, NEIGHBOUR)}


def test_the_page_counts_what_was_played() -> None:
    """What was not played is neither green nor forgotten."""
    text = page(ROWS, [result(REGRESSION), result(NEIGHBOUR)])
    assert not unsaid(text, "1 of 3 played", "1 of these caught")
    assert not unsaid(text, "1 of 1 played", "1 of these let pass")
    assert "- other\n" in text
    assert "record-stream (needs a GPU)" in text


def test_what_is_wrong_is_told() -> None:
    """In the table, and below it with each difference."""
    wrong = result(NEIGHBOUR, Status.WRONG, answer="not safe", differences=("It must be safe.",))
    text = page(ROWS, [wrong])
    assert "| **wrong:** not safe |" in text
    assert "- neighbour: It must be safe." in text
    assert not unsaid(text, "1 of 1 played", "0 of these let pass")


def test_what_cannot_be_installed_any_more_is_told() -> None:
    """It counts neither as played nor as caught."""
    gone = result(REGRESSION, Status.NOT_INSTALLED, sentence="transformers 4.57.0 does not exist.")
    text = page(ROWS, [gone])
    assert not unsaid(text, "0 of 3 played", "0 of these caught")
    assert not unsaid(text, "1 row could not be installed")
    assert not unsaid(text, "not installable: transformers 4.57.0")


def test_a_row_links_its_thread() -> None:
    """Whoever doubts it can read there what happened."""
    assert f"[offload-state-dict]({REGRESSION.thread})" in page(ROWS, [result(REGRESSION)]).replace("\\", "")


def test_nothing_in_a_result_becomes_markup() -> None:
    """Sentences come from logs."""
    text = page(ROWS, [result(NEIGHBOUR, Status.WRONG, differences=("<script> | x",))])
    assert "<script>" not in text


def test_each_row_says_where_it_was_played() -> None:
    """By a letter that the list of places explains, with how much else a place had to do."""
    here = result(REGRESSION, machine="cpu-x", python="3.11.7", torch="2.13.0", load=2.0)
    there = result(NEIGHBOUR, machine="cpu-y", python="3.12.3", torch="2.11.0")
    text = page(ROWS, [here, there]).replace("\\", "")
    assert not unsaid(text, "**A**: cpu-x, Python 3.11.7, torch 2.13.0: 1 row", "load of 2")
    assert not unsaid(text, "**B**: cpu-y, Python 3.12.3, torch 2.11.0: 1 row")
    cells = {line.split("|")[1].strip(): line.split("|")[-2].strip() for line in text.splitlines() if "|" in line}
    assert (cells[f"[{REGRESSION.name}]({REGRESSION.thread})"], cells["neighbour"]) == ("A", "B")


def test_what_was_written_after_the_fact_is_marked() -> None:
    """In its row, and with what was written below; a forecast has no mark."""
    fitted = replace(REGRESSION, fitted="its stage")
    text = page(ROWS | {fitted.name: fitted}, [result(fitted), result(OTHER)])
    marked = [line for line in text.splitlines() if "†" in line and line.startswith("|")]
    assert len(marked) == 1
    assert REGRESSION.name in marked[0].replace("\\", "")
    assert "its stage" in text
    assert "after the fact" not in page(ROWS, [result(OTHER)])


def test_it_says_when_rows_were_played() -> None:
    """Not all are played again on one day."""
    days = [result(REGRESSION, date="2026-11-26", machine="cpu"), result(NEIGHBOUR, date="2026-11-27", machine="cpu")]
    assert "2 rows, 2026-11-26 and 2026-11-27\n" in page(ROWS, days)
    third = result(OTHER, date="2026-11-25", machine="cpu", load=3.0)
    assert not unsaid(page(ROWS, [*days, third]), "3 rows", "2026-11-25, 2026-11-26 and 2026-11-27", "load of 3")

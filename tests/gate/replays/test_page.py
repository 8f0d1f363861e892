"""Tests of the page about the replays."""

from __future__ import annotations

from dataclasses import replace

from fluxgate.gate.replays.page import page
from fluxgate.gate.replays.played import Status
from tests.gate.replays.made import NEIGHBOUR, ON_A_GPU, REGRESSION, result

OTHER = replace(REGRESSION, name="other")
ROWS = {row.name: row for row in (REGRESSION, OTHER, ON_A_GPU, NEIGHBOUR)}


def test_the_page_counts_what_was_played() -> None:
    """What was not played is neither green nor forgotten."""
    text = page(ROWS, [result(REGRESSION), result(NEIGHBOUR)])
    assert "1 of 3 played; 1 of these caught" in text
    assert "1 of 1 played; 1 of these let pass" in text
    assert "- other\n" in text
    assert "record-stream (needs a GPU)" in text


def test_what_is_wrong_is_told() -> None:
    """In the table, and below it with each difference."""
    wrong = result(NEIGHBOUR, Status.WRONG, answer="not safe", differences=("It must be safe.",))
    text = page(ROWS, [wrong])
    assert "| **wrong:** not safe |" in text
    assert "- neighbour: It must be safe." in text
    assert "1 of 1 played; 0 of these let pass" in text


def test_what_cannot_be_installed_any_more_is_told() -> None:
    """It counts neither as played nor as caught."""
    gone = result(REGRESSION, Status.NOT_INSTALLED, sentence="transformers 4.57.0 does not exist.")
    text = page(ROWS, [gone])
    assert "0 of 3 played; 0 of these caught" in text
    assert "1 row could not be installed any more" in text
    assert "not installable: transformers 4.57.0 does not exist." in text


def test_a_row_links_its_thread() -> None:
    """Whoever doubts it can read there what happened."""
    assert f"[offload-state-dict]({REGRESSION.thread})" in page(ROWS, [result(REGRESSION)]).replace("\\", "")


def test_nothing_in_a_result_becomes_markup() -> None:
    """Sentences come from logs."""
    text = page(ROWS, [result(NEIGHBOUR, Status.WRONG, differences=("<script> | x",))])
    assert "<script>" not in text

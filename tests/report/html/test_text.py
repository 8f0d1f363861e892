"""Tests of text: a stranger's stays text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from fluxgate.report.escaping import LONGEST
from fluxgate.report.html.text import anchor, shown, slug


@pytest.mark.parametrize(
    "hostile, expected",
    [
        ("\x1b[31mred\x1b[0m", "�[31mred�[0m"),
        ("abc\u202efdp.exe", "abc�fdp.exe"),
        ("\ud800", "�"),
        ("two\nlines", "two lines"),
        ("nul\0", "nul�"),
        ("plain text", "plain text"),
        ("עברית", "עברית"),
    ],
)
def test_what_moves_a_cursor_or_turns_the_writing_is_seen(hostile: str, expected: str) -> None:
    """ANSI, bidirectional overrides, half characters and line ends."""
    assert shown(hostile) == expected


def test_a_line_of_a_megabyte_is_cut_in_its_middle() -> None:
    """Both its ends stay."""
    text = shown("a" + "x" * 1_000_000 + "z")
    assert len(text) == LONGEST
    assert (text[0], text[-1], "…" in text) == ("a", "z", True)


def test_our_own_markup_and_numbers_are_left_alone() -> None:
    """They are written as they are."""
    markup = Markup("<b>" + "x" * 2 * LONGEST)
    assert shown(markup) is markup
    assert shown(3) == 3


@given(st.text())
def test_every_text_can_be_written_as_utf_8(text: str) -> None:
    """Whatever a name or a log holds."""
    assert shown(text).encode().decode() == shown(text)


@pytest.mark.parametrize(
    "case_id, expected",
    [("miniature-nf4", "case-miniature-nf4"), ('x" onclick="', "case-number-7"), ("../..", "case-number-7")],
)
def test_an_anchor_is_a_name_or_a_number(case_id: str, expected: str) -> None:
    """So that links stay, and nothing odd becomes one."""
    assert anchor(case_id, 7) == expected


def test_a_slug_is_a_class() -> None:
    """One word for each status."""
    assert slug("known failure") == "known-failure"

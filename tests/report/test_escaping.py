"""Tests of text made safe for where it goes."""

import html
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.report import escaping as text


@given(st.text())
def test_plain_text_moves_no_cursor(anything: str) -> None:
    """No control, format or surrogate character survives, and all is one line."""
    told = text.plain(anything)
    assert len(told) == len(anything)
    assert not [character for character in told if unicodedata.category(character) in ("Cc", "Cf", "Cs")]
    assert len(told.splitlines()) <= 1


def test_a_line_of_a_log_is_cut_in_its_middle() -> None:
    """One of a megabyte fills neither a terminal nor a document; both its ends stay."""
    (line, other) = text.lines("begin" + "x" * 1_000_000 + "end\nshort")
    assert (len(line), other) == (text.LONGEST, "short")
    assert (line[:5], line[-3:]) == ("begin", "end")


def test_an_escape_sequence_is_told_not_obeyed() -> None:
    """A log that tries to paint the terminal shows what it tried."""
    assert text.plain("\x1b[31mred\x1b[0m") == "�[31mred�[0m"
    assert text.plain("a\u202eb\r\nc") == "a�b  c"


@given(st.text())
def test_markdown_holds_no_html_and_breaks_no_table(anything: str) -> None:
    """Angle brackets and bare pipes are gone, whatever the text was."""
    told = text.markdown(anything)
    assert "<" not in told
    assert ">" not in told
    assert "|" not in told.replace("\\|", "")
    assert "\n" not in told


@pytest.mark.parametrize("one", ["a_b*c", "# head", "[x](y)", "`code`", "a|b", "<b>&amp;", "1. x!", "~~gone~~"])
def test_markdown_shows_a_text_as_it_was(one: str) -> None:
    """Taking the escapes away gives the text back."""
    told = text.markdown(one)
    assert html.unescape("".join(c for i, c in enumerate(told) if c != "\\" or told[i - 1 : i] == "\\")) == one


@pytest.mark.parametrize(("one", "told"), [("by @torvalds", "by @&#8203;torvalds"), ("see #12", "see \\#&#8203;12")])
def test_markdown_calls_nobody(one: str, told: str) -> None:
    """A name or a number in a log is no mention of a person and no reference to an issue; an address stays whole."""
    assert text.markdown(one) == told
    assert text.markdown("git@example.org/x@0123") == "git@example.org/x@0123"


@pytest.mark.parametrize("one", ["- a", "1. a", "12) a", "---", "===", "    a"])
def test_markdown_begins_no_block(one: str) -> None:
    """No list, rule, heading or code begins where a text does."""
    assert re.match(r"(\d*\\|a)", text.markdown(one))


@given(st.text())
def test_ascii_is_ascii(anything: str) -> None:
    """A terminal that knows nothing else gets nothing else."""
    assert text.ascii_only(anything).isascii()


def test_known_signs_have_an_ascii_form() -> None:
    """Dashes, ellipses and quotes stay readable."""
    assert text.ascii_only("“a” – b… 2×3") == '"a" - b... 2x3'


@given(st.text(min_size=1), st.integers(min_value=3, max_value=30))
def test_a_shortened_name_keeps_its_ends(name: str, width: int) -> None:
    """It fits, and both its ends are there."""
    told = text.shortened(name, width)
    assert len(told) <= width
    assert told == name or (len(told) == width and told[0] == name[0] and told[-1] == name[-1])


def test_lines_keep_their_indent() -> None:
    """A log's lines stay lines."""
    assert text.lines("a\n\tb  \n\x07c") == ["a", "    b", "�c"]


def test_wrapped_lines_leave_paths_and_commands_whole() -> None:
    """A line is as long as its longest word where that alone is longer than the width; what goes on is indented."""
    assert text.wrapped("see /a/very-long/path-to a\nfile", 12, indent=" ") == [
        " see",
        "   /a/very-long/path-to",
        "   a file",
    ]
    assert text.wrapped("one two", 5, further="") == ["one", "two"]

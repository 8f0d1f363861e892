"""Text made safe for where it goes: a terminal, or Markdown. Names and sentences come from logs and files."""

from __future__ import annotations

import re
import textwrap
import unicodedata

LONGEST = 1_500  # characters of one line or sentence; a longer one is cut in its middle
_ASCII = {
    **{"│": "|", "✓": "+", "✗": "X", "–": "-", "—": "-", "…": "...", "×": "x", "→": "->", "·": "."},
    **{"“": '"', "”": '"', "‘": "'", "’": "'"},
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~<>&])")
_BLOCK = re.compile(r"^(\d*)([-=.)])(?=\s|[-=]|$)")  # begins a list, a rule or the line under a heading
_PING = re.compile(r"((?<!\w)@|\\#)(?=\w)")  # GitHub tells the person, or the issue, that this names
_NOTHING = "&#8203;"  # a space without width, which ends such a name


def plain(text: str) -> str:
    """Without the characters that move a cursor, colour a terminal or turn the direction of writing; one line."""
    return "".join(_visible(character) for character in text)


def lines(text: str) -> list[str]:
    """The lines of a text, each made plain, and not longer than anybody reads."""
    return [plain(shortened(line.expandtabs(4), LONGEST)).rstrip() for line in text.splitlines()]


def first_line(text: str) -> str:
    """What a sentence begins with; the lines after it have the details."""
    return next(iter(text.strip().splitlines()), "")


def wrapped(text: str, width: int, *, indent: str = "", further: str | None = None) -> list[str]:
    """Plain lines of at most this width, paths and commands left whole; further: the indent of all but the first."""
    return textwrap.wrap(
        plain(text),
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  " if further is None else further,
        break_long_words=False,
        break_on_hyphens=False,
    )


def markdown(text: str) -> str:
    """A text that Markdown shows as it is, on one line, with no HTML in it and nobody called by it."""
    escaped = _MARKDOWN.sub(r"\\\1", plain(text).strip())
    escaped = escaped.replace("\\&", "&amp;").replace("\\<", "&lt;").replace("\\>", "&gt;")
    return _PING.sub(rf"\1{_NOTHING}", _BLOCK.sub(r"\1\\\2", escaped))


def ascii_only(text: str) -> str:
    """For a terminal that knows nothing else."""
    return "".join(_ASCII.get(character, character) for character in text).encode("ascii", "replace").decode()


def shortened(text: str, width: int) -> str:
    """A name cut in its middle, so that what tells it from its siblings stays."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _visible(character: str) -> str:
    if character in "\n\r\t\v\f\x85\u2028\u2029":
        return " "
    return "�" if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character

"""Colours for a terminal that has them: what is wrong in red, what is well in green. The text stays as it is."""

from __future__ import annotations

import re

from fluxgate.judge.sentences import sentence_case
from fluxgate.judge.verdict import CRASHED, FAILED, KNOWN_FAILURE, PASSED
from fluxgate.report.columns import SYMBOLS
from fluxgate.report.gate_result import Answer

RED, GREEN, YELLOW = ("\x1b[31m", "\x1b[32m", "\x1b[33m")
BOLD, PLAIN = "\x1b[1m", "\x1b[0m"

HEADS = {  # what begins a line -> its colour
    **dict.fromkeys((FAILED.upper(), CRASHED.upper()), RED),
    KNOWN_FAILURE.upper(): YELLOW,
    sentence_case(Answer.NOT_SAFE): RED,
    sentence_case(Answer.DRIFT): YELLOW,
    sentence_case(Answer.CANNOT_TELL): YELLOW,
    sentence_case(Answer.SAFE): GREEN,
}
CELLS = {SYMBOLS[CRASHED]: RED, SYMBOLS[FAILED]: RED, SYMBOLS[KNOWN_FAILURE]: YELLOW, SYMBOLS[PASSED]: GREEN}
_CELL = re.compile(rf"(?<=[ ])({'|'.join(map(re.escape, CELLS))})(?= |$)")


def coloured(text: str) -> str:
    """The text of a report, as a terminal shows it in colour."""
    return "\n".join(map(_line, text.split("\n")))


def _line(line: str) -> str:
    for head, colour in HEADS.items():
        if line.startswith(head):
            return f"{BOLD}{colour}{line}{PLAIN}"
    return _CELL.sub(lambda found: f"{CELLS[found[0]]}{found[0]}{PLAIN}", line)

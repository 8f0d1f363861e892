"""Tests of the colours of a terminal's report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fluxgate.judge.verdict import FAILED, PASSED
from fluxgate.report.colours import BOLD, GREEN, PLAIN, RED, YELLOW, coloured
from fluxgate.report.gate_result import Answer
from fluxgate.report.gate_terminal import gate_lines
from fluxgate.report.terminal import terminal
from tests.report.gates import result
from tests.report.made import of_case, renderings, report, verdicts


def without(text: str) -> str:
    return re.sub(r"\x1b\[\d+m", "", text)


def test_the_text_stays_as_it_is(tmp_path: Path) -> None:
    """But for the colours, which end in the line in which they begin."""
    text = terminal(report(verdicts(), renderings(tmp_path)), width=100)
    shown = coloured(text)
    assert without(shown) == text != shown
    for line in shown.splitlines():
        assert line.count(RED) + line.count(GREEN) + line.count(YELLOW) == line.count(PLAIN)


def test_what_failed_is_red_and_what_passed_green(tmp_path: Path) -> None:
    """In the table, and where it is told below."""
    shown = coloured(terminal(report([*of_case("full", PASSED), *of_case("nf4", FAILED)]), width=100))
    rows = {without(line).split()[0]: line for line in shown.splitlines() if line.startswith(("full", "nf4"))}
    assert (RED in rows["full"], GREEN in rows["full"]) == (False, True)
    assert (RED in rows["nf4"], GREEN in rows["nf4"]) == (True, False)
    assert f"{BOLD}{RED}FAILED tiny-nf4" in shown
    assert "\nOn " in shown


@pytest.mark.parametrize(
    ("answer", "colour"),
    [(Answer.SAFE, GREEN), (Answer.DRIFT, YELLOW), (Answer.NOT_SAFE, RED), (Answer.CANNOT_TELL, YELLOW)],
)
def test_a_gates_answer_is_in_its_colour(answer: Answer, colour: str) -> None:
    """The first line alone."""
    sentence = f"{answer.value[:1].upper()}{answer.value[1:]}: one case."
    first, *others = coloured("\n".join(gate_lines(result(answer=answer, sentence=sentence), width=100))).splitlines()
    assert first == f"{BOLD}{colour}{sentence}{PLAIN}"
    assert not any(BOLD in line for line in others)

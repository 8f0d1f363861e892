"""Tests of the result of a gate as a terminal shows it."""

from __future__ import annotations

from dataclasses import replace

from fluxgate.report.gate_result import CaseOutcome
from fluxgate.report.gate_terminal import gate_lines
from tests.report.test_gate_result import result


def text(**more: object) -> list[str]:
    return list(gate_lines(result(**more), width=100))


def test_the_decision_comes_first_and_what_to_do_next() -> None:
    """Then the culprit and what to pin, before any case."""
    lines = text(next="Keep the incumbent.")
    assert lines[:4] == ["Not safe.", "It did.", "Pin transformers==4.56.2.", "Keep the incumbent."]


def test_a_case_is_told_with_its_stage_and_its_memory() -> None:
    """What is the same says nothing more, and comes last."""
    (bad,) = result().cases
    same = replace(bad, case_id="tiny-staged", strategy="staged", outcome=CaseOutcome.IDENTICAL, memory=None)
    lines = text(cases=(same, bad))
    place = next(number for number, line in enumerate(lines) if line.startswith("full"))
    assert "first at the prompt embeddings" in lines[place]
    assert lines[place + 1].strip() == "allocated memory in load worse: 50 B more"
    assert lines[place + 2].split() == ["staged", "identical"]


def test_nothing_from_a_file_moves_the_cursor() -> None:
    """Sentences hold what logs said."""
    assert "\x1b" not in "".join(text(sentence="\x1b[2JNot safe.", contrasts=("\x1b[1m",)))


def test_where_nothing_moved_no_list_of_it_is_told() -> None:
    """An upgrade that cannot be resolved has no packages that moved."""
    assert not [line for line in text(moves=()) if "packages moved" in line or "package moved" in line]


def test_what_is_unresolved_is_told_once() -> None:
    """Beside the culprit, unless the culprit's sentence says it already."""
    culprit = result().culprit
    assert culprit is not None
    culprit = replace(culprit, sentence="It did. One is flaky.")
    lines = text(culprit=replace(culprit, unresolved=("One is flaky.", "One is gone.")))
    assert lines[1:3] == ["It did. One is flaky.", "One is gone."]

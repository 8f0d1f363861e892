"""Tests of the report for GitHub: its limits, its commands, and that no text becomes one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.judge.verdict import BASELINE, CHECKS, CRASHED, FAILED, PASSED, UNSUPPORTED, Verdict
from fluxgate.report.gate_folder import read_gate_result
from fluxgate.report.gate_report import report_on_gate
from fluxgate.report.gate_result import Answer
from fluxgate.report.github import (
    LARGEST_COMMENT,
    LARGEST_SUMMARY,
    MOST_ANNOTATIONS,
    MOST_PICTURES,
    Shown,
    answer_of,
    comment,
    output_lines,
    outputs,
    summary,
    workflow_commands,
)
from fluxgate.report.report import CutShort, Report, ReportedGate
from tests.report import gates
from tests.report.html.test_page import HOSTILE
from tests.report.made import RUN, of_case, report, verdicts

COMMANDS = ("::error::x", "  ::set-output name=a::b", "##[error]x", "x\n::warning::y", "a%0A::error::b")


@pytest.fixture
def gate(tmp_path: Path) -> Report:
    folder = gates.gate(tmp_path)
    return report_on_gate(read_gate_result(folder), folder)


def of_result(**changes: object) -> Report:
    """The report on a gate whose cases were not kept."""
    result = replace(gates.full_result("20261126-gate", runs={}), **changes)  # type: ignore[arg-type]  # whichever fields a test names
    return replace(report([]), headline=result.sentence, gate=ReportedGate(result, ()))


def test_a_summary_begins_with_the_answer_and_the_culprit(gate: Report) -> None:
    """Then the pin, the page, and a table of the cases."""
    heading, sentence, culprit, pin, page, *others = summary(gate, page="https://x.example/a.html").split("\n\n")
    assert heading == "## ❌ Fluxgate: Not safe"
    assert sentence.startswith("Not safe: of 4 cases")
    assert "transformers" in culprit
    assert pin == "```\ntransformers==4.49.0\n```"
    assert page.endswith("(https://x.example/a.html)")
    assert any(block.startswith("| case | outcome |") for block in others)


def test_the_summary_of_a_run_says_what_was_not_gated() -> None:
    """And has a row for each strategy, those that failed first."""
    text = summary(report(verdicts()))
    assert "Not gated:" in text
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")]
    assert rows[2:4] == ["| vae-tiling", "| nf4"]


def test_a_summary_stays_below_githubs_limit() -> None:
    """Whatever there is to say; what is cut says so, and the table is never cut in its middle."""
    every = [one for number in range(600) for one in of_case(f"case-{number}", FAILED, "x" * 2000)]
    text = summary(report(every))
    assert len(text.encode()) <= LARGEST_SUMMARY < 1 << 20
    small = summary(report(every), most=20_000)
    assert len(small.encode()) <= 20_000
    assert small.rstrip().endswith("in the artifact.*")
    assert len(comment(report(every), key="gate")) <= LARGEST_COMMENT + 100


def test_a_comment_can_be_found_again() -> None:
    """By its first line, which depends on the key alone; no key ends it."""
    first = comment(report(verdicts()), key="nightly gate").splitlines()[0]
    assert first == comment(report([]), key="nightly gate").splitlines()[0] == "<!-- fluxgate:nightlygate -->"
    assert comment(report([]), key="--><script>").splitlines()[0] == "<!-- fluxgate:script -->"
    assert comment(report([]), key="").splitlines()[0] == "<!-- fluxgate:report -->"


def test_a_summary_has_at_most_a_dozen_pictures(gate: Report) -> None:
    """With words for those who cannot see them; no address and no name ends an attribute."""
    shown = [Shown(f"https://x.example/{number}.png", '"><script>') for number in range(20)]
    text = summary(gate, pictures=[Shown('https://x.example/"onload=a"><b', "fox"), *shown])
    assert text.count("<img ") == MOST_PICTURES
    assert '<img src="https://x.example/onload=ab" width="160" alt="fox"' in text
    assert "<script>" not in text


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        (Answer.SAFE, []),
        (Answer.DRIFT, ["::warning"]),
        (Answer.NOT_SAFE, ["::error"]),
        (Answer.CANNOT_TELL, ["::warning"]),
    ],
)
def test_a_gate_has_one_annotation(answer: Answer, kinds: list[str]) -> None:
    """With the culprit and the pin, however many cases are bad; none where all is well."""
    found = list(workflow_commands(of_result(answer=answer)))
    assert [one.split(" title=")[0] for one in found] == kinds
    assert all("Pin transformers==4.49.0." in one for one in found)


def test_failures_with_one_cause_are_one_annotation() -> None:
    """A check that failed at one stage in several cases; a crash is one of its sentence."""
    moved = [
        Verdict("tiny", name, BASELINE, FAILED, f"{name} moved.", stage="prompt embeddings") for name in ("a", "b")
    ]
    found = list(workflow_commands(report([*moved, *of_case("c", CRASHED, "It ended."), *of_case("d", PASSED)])))
    assert len(found) == 2
    assert found[0].startswith("::error title=Fluxgate%3A matches its baseline%2C first at the prompt embeddings::")
    assert "tiny-a and tiny-b: a moved." in found[0]
    assert "tiny-c: It ended." in found[1]


def test_there_are_never_more_annotations_than_github_shows() -> None:
    """What is left is counted."""
    many = [Verdict("tiny", "a", check, FAILED, "x", stage=str(n)) for n in range(5) for check in CHECKS]
    found = list(workflow_commands(report(many)))
    assert len(found) == MOST_ANNOTATIONS
    assert f"{len(many) - MOST_ANNOTATIONS + 1} more failures" in found[-1]


def test_a_run_that_was_cut_short_is_warned_of() -> None:
    """It is not safe to say that it is safe."""
    cut = report(of_case("full", PASSED), run=replace(RUN, cut_short=CutShort(1, 3)))
    assert answer_of(cut) is Answer.CANNOT_TELL
    assert [one.split(" title=")[0] for one in workflow_commands(cut)] == ["::warning"]


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (of_case("full", PASSED), Answer.SAFE),
        (of_case("full", FAILED), Answer.NOT_SAFE),
        (of_case("full", UNSUPPORTED), Answer.CANNOT_TELL),
    ],
)
def test_a_run_answers_in_the_words_of_a_gate(given: list[Verdict], answer: Answer) -> None:
    """So that a workflow has one set of words."""
    assert outputs(report(given)) == {"verdict": answer.value, "culprit": "", "pin": ""}


def test_outputs_name_the_culprit_and_the_pin(gate: Report) -> None:
    """With its versions."""
    assert outputs(gate) == {
        "verdict": "not safe",
        "culprit": "transformers 4.49.0 → 4.50.0",
        "pin": "transformers==4.49.0",
    }


def test_an_output_cannot_write_another() -> None:
    """Its value is one line, between delimiters that are new each time."""
    once, again = (output_lines({"verdict": "x\nculprit=y"}) for _ in range(2))
    assert once != again
    first, value, last = once.splitlines()
    assert (first, value) == (f"verdict<<{last}", "x culprit=y")
    assert len(last) == 32


@pytest.mark.parametrize("word", [*HOSTILE, *COMMANDS])
def test_hostile_text_is_neither_html_nor_a_command(word: str) -> None:
    """In a summary no line is a command of the runner; in a command nothing ends it."""
    run = report([Verdict(word, word, BASELINE, FAILED, word, stage=word), *of_case("nf4", UNSUPPORTED, word)])
    pins = replace(gates.CULPRIT, sentence=word, pin=(word,))
    gate = of_result(sentence=word, contrasts=(word,), next=word, next_command=word, culprit=pins)
    for told in (run, gate):
        text = summary(told, pictures=[Shown(word, word)], page="https://x.example/" + word)
        assert not [line for line in text.splitlines() if line.lstrip().startswith(("::", "##["))]
        outside = "".join(text.split("```")[::2])
        assert "<script" not in outside
        assert "<svg" not in outside
        for command in workflow_commands(told):
            kind, properties, data = (
                command.removeprefix("::").split("::", 2)[0].partition(" ")[0],
                *(command.removeprefix("::").split("::", 1)),
            )
            assert kind == "error"
            assert "\n" not in data
            assert properties.count(",") == 0
            assert len(command) < 6000

"""Tests of the result of a gate as a terminal shows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fluxgate.report.gate_markdown import gate_markdown
from fluxgate.report.gate_result import CaseOutcome, FigureResult, Move, Trend, Unasked, Way
from fluxgate.report.gate_terminal import gate_lines
from tests.report.gates import result
from tests.wording import unsaid


def text(**more: object) -> list[str]:
    return list(gate_lines(result(**more), width=100))


def test_the_decision_comes_first_and_what_to_do_next() -> None:
    """Then the culprit and what to pin, before any case."""
    lines = text(next="Keep the incumbent.")
    assert lines[:4] == ["Not safe.", "It did.", "Pin transformers==4.56.2.", "Keep the incumbent."]


def test_a_command_is_not_broken_over_lines() -> None:
    """However long it is, it can be copied."""
    command = f"fluxgate gate {'x' * 50}==1 {'y' * 50}==1"
    lines = text(next=f"Without that it passes: {command}", next_command=command)
    assert lines[3:5] == ["Without that it passes:", f"  {command}"]


def test_a_reason_of_a_megabyte_is_cut() -> None:
    """In its middle, in a terminal and in Markdown."""
    (case,) = result().cases
    long = replace(case, reason=f"begin {'x' * 1_000_000} finish")
    for told in ("\n".join(text(cases=(long,))), gate_markdown(result(cases=(long,)))):
        assert len(told) < 10_000
        assert "begin" in told
        assert "finish" in told


def test_a_case_is_told_with_its_stage_and_its_memory() -> None:
    """What is the same says nothing more, and comes last."""
    (bad,) = result().cases
    alike = replace(bad, case_id="tiny-staged", strategy="staged", outcome=CaseOutcome.IDENTICAL, memory=None)
    same = replace(alike, pictures_compared=2, pictures_moved=0)
    lines = text(cases=(same, bad))
    place = next(number for number, line in enumerate(lines) if line.startswith("full"))
    assert "first at the prompt embeddings" in lines[place]
    assert not unsaid(lines[place + 1], "allocated memory in load worse", "50 B more")
    assert lines[place + 2].split() == ["staged", "identical"]


def test_what_several_cases_say_of_memory_is_told_once() -> None:
    """From the least to the most; one that says something else keeps it."""
    (bad,) = result().cases
    lighter = [
        FigureResult(Trend.BETTER, "host", "loaded", 2e9, after, "it varies by less") for after in (1.9e9, 1.5e9, 1.7e9)
    ]
    cases = tuple(replace(bad, case_id=f"tiny-{number}", memory=one) for number, one in enumerate(lighter))
    lines = text(cases=(*cases, bad))
    assert not unsaid(lines[-1], "In 3 cases", "host memory once loaded", "better by 0.10 GB to 0.50 GB")
    assert [unsaid(line, "worse", "50 B more") for line in lines if "memory" in line][:-1] == [[]]
    assert not [line for line in text(cases=cases[:2]) if line.startswith("In ")]


def test_work_that_several_cases_do_otherwise_is_told_once() -> None:
    """What one alone does otherwise stays with it."""
    (bad,) = result().cases
    cases = [
        replace(bad, case_id=f"tiny-{number}", work=("denoise calls it twice",), memory=None) for number in (1, 2, 3)
    ]
    lines = text(cases=(*cases[:2], replace(cases[2], work=("denoise calls it twice", "load reads more"))))
    assert not unsaid(lines[-1], "In 3 cases", "denoise calls it twice")
    assert [line.strip() for line in lines if "work:" in line] == ["work: load reads more"]


def test_what_moved_by_itself_is_told_in_few_words() -> None:
    """A stage is named once, whichever calls it moved in, and not where it is the first that differs anyway."""
    (bad,) = result().cases
    given = replace(bad, given=("noise drawn", "noise drawn, several pictures"))
    assert any(not unsaid(line, "given the same inputs", "noise drawn moved") for line in text(cases=(given,)))
    given = replace(bad, given=("denoiser's output in step 1", "denoiser's output in step 2, several pictures"))
    (told,) = (line for line in text(cases=(given,)) if "given the same inputs" in line)
    assert told.count("denoiser's output") == 1
    given = replace(bad, given=("prompt embeddings", "prompt embeddings, several pictures"))
    assert not any("given the same inputs" in line for line in text(cases=(given,)))


def test_the_torch_that_moves_is_told_once() -> None:
    """Among what moved, and not as what both stacks have."""
    assert any(line.startswith("On ") and ", torch 1.0 (" in line for line in text())
    moved = text(moves=(Move("torch", "1.0", "1.1"),))
    assert any(line.startswith("On ") and ", torch" not in line for line in moved)


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


@pytest.mark.parametrize(
    ("moved", "words"), [(2, "2 of 4 pictures moved, by up to 42/255 (least SSIM 0.996)"), (0, "no pixel moved")]
)
def test_where_the_inventory_is_the_reason_the_pictures_are_told_beside_it(moved: int, words: str) -> None:
    """Whoever decides asks for them first."""
    (bad,) = result().cases
    changed = replace(
        bad, inventory=("vae: its modules change",), pictures_compared=4, least_ssim=0.9968, largest_difference=42.0
    )
    assert words in [line.strip() for line in text(cases=(replace(changed, pictures_moved=moved),))]


def test_what_nobody_asked_for_is_told_beside_what_moved() -> None:
    """And of the culprit beside its sentence."""
    (move,) = result().moves
    unasked = (Unasked(move.package, Way.NEWER, "diffusers 0.43.0 depends on transformers>=4.57"),)
    lines = text(unasked=unasked)
    assert (
        lines[2]
        == "transformers (newer: diffusers 0.43.0 depends on transformers>=4.57) came along with what was asked"
    )
    assert "Nobody asked for it: transformers (newer)." in lines
    assert not [line for line in text() if "asked for" in line]

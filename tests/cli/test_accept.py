"""Tests of `accept`: it shows first and asks then, and without an answer it writes nothing, anywhere."""

from __future__ import annotations

import datetime
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.cli.shared import NOTHING
from fluxgate.files import write_plain
from fluxgate.pictures import hash_of, read_png, write_png
from fluxgate.refusal import USAGE
from fluxgate.rendering import RENDERING
from fluxgate.report.gate_folder import create_gate, place_of, write_gate_result
from fluxgate.report.gate_result import CANDIDATE, CaseOutcome, Move
from fluxgate.runs import run as runs
from tests.report.gates import result as gate
from tests.report.html.made import looked_at, written
from tests.runs.building import contents
from tests.wording import unsaid

Answers = Callable[..., list[str]]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """A person at a terminal who gives these answers; what they are asked is noted. Ctrl-D comes after the last."""

    def sits_there(*given: str) -> list[str]:
        left, questions = iter(given), []

        def answer(question: str) -> str:
            questions.append(question)
            try:
                return next(left)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr("builtins.input", answer)
        for stream in (sys.stdin, sys.stdout):
            monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
        return questions

    return sits_there


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal, as in CI."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)


@pytest.fixture
def command(rendered: Path, tmp_path: Path, tiny_exists: None) -> list[str]:
    """The verb with its run, and a folder of baselines that is not there yet."""
    return ["accept", str(rendered), "--baselines", str(tmp_path / "baselines")]


def everything(command: list[str]) -> dict[str, bytes]:
    """What lies in the run and in the baselines."""
    return {**contents(Path(command[1])), **contents(Path(command[3]))}


def because(command: list[str]) -> set[str]:
    """The reasons in the facts that were written."""
    facts = Path(command[3]).glob("*/tiny/facts/*.json")
    return {line for path in facts for line in path.read_text().splitlines() if '"because"' in line}


def test_a_dry_run_needs_no_reason_and_writes_nothing(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Neither facts nor drawings, nor a lock, nor the folder of baselines itself."""
    before = everything(command)
    assert main([*command, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "tiny-full, tiny-model-offload: new, with" in shown
    assert shown.endswith("Nothing was written.\n")
    assert everything(command) == before
    assert not Path(command[3]).exists()


def test_a_gate_moves_baselines_and_pins(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The candidate's run is accepted, and what moved is pinned; a dry run shows both and writes neither."""
    home, pins = tmp_path / "home", tmp_path / "pins.txt"
    run = shutil.copytree(Path(command[1]), home / "stacks" / "0123" / Path(command[1]).name)
    folder = create_gate(home, "cpu", now=datetime.datetime.now(datetime.UTC))
    move = Move("transformers", "4.56.2", "4.57.0")
    case = replace(gate().cases[0], outcome=CaseOutcome.IDENTICAL)
    found = gate(moves=(move,), cases=(case,), runs={CANDIDATE: place_of(runs.open_run(run), gate=folder)})
    write_gate_result(folder, found)
    pins.write_text("transformers==4.56.2\n")
    command = ["accept", str(folder), *command[2:], "--pins", str(pins)]
    assert main([*command, "--dry-run"]) == 0
    assert "+transformers==4.57.0" in capsys.readouterr().out
    assert (pins.read_text(), Path(command[3]).exists()) == ("transformers==4.56.2\n", False)
    assert main([*command, "--yes", "--because", "safe"]) == 0
    assert (pins.read_text(), Path(command[3]).exists()) == ("transformers==4.57.0\n", True)


def test_without_a_terminal_it_shows_and_refuses(
    command: list[str], nobody: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence names --yes."""
    before = everything(command)
    assert main([*command, "--because", "a test"]) == USAGE
    shown = capsys.readouterr()
    assert ": new, with" in shown.out
    assert not unsaid(shown.err, "Nothing was written", "--yes")
    assert everything(command) == before


def test_yes_writes_what_was_shown(command: list[str], nobody: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Then the run is its machine's baseline, later runs match, and accepting it again changes nothing."""
    assert main([*command, "--because", "a test", "--yes", "--only", "tiny-*"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("Accepted into ")
    assert because(command) == {'    "because": "a test",', '          "because": "a test",'}
    assert main(["judge", command[1], "--baselines", command[3], "--require-baseline"]) == 0
    before = everything(command)
    capsys.readouterr()
    assert main([*command, "--because", "another", "--yes"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Nothing changes."
    assert everything(command) == before


def test_yes_needs_a_reason_before_anything_is_compared(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody waits to be told so in the end."""
    assert main([*command, "--yes", "--because", "  "]) == USAGE
    shown = capsys.readouterr()
    assert (shown.out, unsaid(shown.err, "--because")) == ("", [])


def test_on_a_terminal_it_asks_for_the_reason(command: list[str], answers: Answers) -> None:
    """The answer is what stands in the facts."""
    questions = answers("looked at")
    assert main(command) == 0
    assert len(questions) == 1
    assert questions[0].startswith("Why is this right?")
    assert '    "because": "looked at",' in because(command)


def test_on_a_terminal_a_given_reason_is_confirmed(command: list[str], answers: Answers) -> None:
    """Once, with yes or no."""
    questions = answers("y")
    assert main([*command, "--because", "a test"]) == 0
    assert questions == ["Accept this? [y/N] "]


@pytest.mark.parametrize(
    "reason, given",
    [([], [""]), ([], []), (["--because", "x"], ["n"]), (["--because", "x"], [""]), (["--because", "x"], [])],
    ids=["no reason", "Ctrl-D for a reason", "no", "empty", "Ctrl-D"],
)
def test_anything_but_yes_writes_nothing(
    command: list[str], answers: Answers, reason: list[str], given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """No baseline, and an exit code that says so."""
    answers(*given)
    assert main([*command, *reason]) == NOTHING
    assert capsys.readouterr().out.endswith("Nothing was written.\n")
    assert not Path(command[3]).exists()


def test_what_changes_is_drawn_before_anybody_is_asked(
    command: list[str], answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its path is shown, and the drawing lies in the run."""
    assert main([*command, "--because", "a test", "--yes"]) == 0
    _turn_upside_down(Path(command[1]))
    capsys.readouterr()
    questions = answers("n")
    assert main([*command, "--because", "a test"]) == NOTHING
    assert questions
    drawing = Path(command[1]) / "pictures" / "accept-tiny-full-fox.png"
    assert f"old, new and difference: {drawing}" in capsys.readouterr().out
    assert drawing.is_file()


def test_approvals_without_notes_need_a_reason(
    command: list[str], nobody: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one, the approved case alone is accepted."""
    run = runs.open_run(Path(command[1]))
    file = written(tmp_path / "approvals.json", looked_at(run, "tiny-full"), of=run.id)
    assert main([*command, f"--approved={file}", "--yes"]) == USAGE
    assert not unsaid(capsys.readouterr().err, "--because")
    assert main([*command, f"--approved={file}", "--yes", "--because", "a test"]) == 0
    assert [path.name for path in Path(command[3]).glob("*/tiny/facts/*")] == ["full.json"]


def test_pruning_shows_and_asks_too(
    command: list[str],
    answers: Answers,
    nobody: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The baselines of a subject that is gone go, once somebody has agreed."""
    assert main([*command, "--because", "a test", "--yes"]) == 0
    monkeypatch.delenv("FLUXGATE_SUBJECTS")
    prune = ["accept", "--prune", "--baselines", command[3]]
    before = everything(command)
    for arguments, code in (([*prune, "--dry-run"], 0), (prune, USAGE)):
        assert main(arguments) == code
        assert "tiny-full goes: no case uses it" in capsys.readouterr().out
        assert everything(command) == before
    questions = answers("no", "yes")
    assert main(prune) == NOTHING
    assert everything(command) == before
    assert main(prune) == 0
    assert questions == ["Remove them? [y/N] "] * 2
    assert not list(Path(command[3]).glob("*/tiny"))
    capsys.readouterr()
    assert main([*prune, "--yes"]) == 0
    assert capsys.readouterr().out == "Nothing changes.\n"


def test_a_run_must_be_named(tiny_exists: None, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence says how."""
    assert main(["accept"]) == USAGE
    assert not unsaid(capsys.readouterr().err, "fluxgate accept RUN")


def _turn_upside_down(folder: Path) -> None:
    """Let the run have other pictures than it had, as another release would have rendered them."""
    run = runs.open_run(folder)
    for case_id, rendering in run.renderings().items():
        place = run.case_folder(case_id)
        turned = {file: read_png(place / file)[::-1].copy() for file in {one.file for one in rendering.pictures}}
        for file, pixels in turned.items():
            write_png(place / file, pixels)
        pictures = tuple(replace(one, sha256=hash_of(turned[one.file])) for one in rendering.pictures)
        write_plain(place / RENDERING, replace(rendering, pictures=pictures))


def test_a_store_elsewhere_is_accepted_into_and_judged_by(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a folder is: a dry run writes nothing, and what was accepted is found by the next judgement."""
    monkeypatch.setenv("FLUXGATE_CACHE", str(tmp_path / "cache"))
    address = f"file://{tmp_path / 'elsewhere'}"
    assert main([*command[:3], address, "--dry-run"]) == 0
    assert not (tmp_path / "elsewhere").exists()
    assert main([*command[:3], address, "--yes", "--because=first light"]) == 0
    assert f"It holds in {address} now." in capsys.readouterr().out
    assert main(["judge", command[1], "--baselines", address, "--require-baseline"]) == 0
    (rest,) = (tmp_path / "elsewhere").glob("baselines.json")
    before = rest.read_bytes()
    assert main([*command[:3], address, "--yes", "--because=again"]) == 0
    assert rest.read_bytes() == before


def test_a_gate_is_not_accepted_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its pins could not move together with the baselines; and nothing is pruned there."""
    folder = create_gate(tmp_path, "cpu", now=datetime.datetime.now(datetime.UTC))
    write_gate_result(folder, gate())
    assert main(["accept", str(folder), "--baselines", "s3://bucket/ours", "--because=x"]) == USAGE
    assert "the candidate's run" in capsys.readouterr().err
    assert main(["accept", "--prune", "--baselines", "s3://bucket/ours"]) == USAGE

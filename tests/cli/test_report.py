"""Tests of `report`: three forms of what was found in a run."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.refusal import USAGE
from fluxgate.runs import run as runs
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import plan_of
from fluxgate.strategies import STRATEGIES
from tests.report import gates
from tests.runs.building import CASES, run_of
from tests.wording import unsaid


def test_report_wants_a_judged_run(rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says which command judges."""
    copy = tmp_path / "run"
    copy.mkdir()
    (copy / "run.json").write_bytes((rendered / "run.json").read_bytes())
    assert main(["report", str(copy)]) == USAGE
    assert not unsaid(capsys.readouterr().err, str(copy), f"fluxgate judge {copy}")


@pytest.mark.parametrize(
    ("form", "opening"),
    [("terminal", f"2 of {len(STRATEGIES)} strategies and "), ("markdown", "# Fluxgate on "), ("json", "{")],
)
def test_report_has_three_forms(
    form: str, opening: str, rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_exists: None
) -> None:
    """Each goes to standard output, or whole into a file."""
    assert main(["judge", str(rendered)]) == 0
    capsys.readouterr()
    assert main(["report", str(rendered), "--format", form]) == 0
    told = capsys.readouterr().out
    assert told.startswith(opening)
    assert ("reproduces full" in told) is (form != "terminal")
    assert re.search(rf"2 of {len(STRATEGIES)} strategies .*\d+ of \d+ checks .*no failures", told)
    assert main(["report", str(rendered), "--format", form, "--output", str(tmp_path / "told")]) == 0
    assert (tmp_path / "told").read_text() == told


def test_report_writes_a_page(
    rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_exists: None
) -> None:
    """With the whole pictures beside it, within it, or nowhere; it says where the page is."""
    main(["judge", str(rendered)])
    capsys.readouterr()
    page = ["report", str(rendered), "--format=html"]
    assert main([*page, f"--output={tmp_path / 'a.html'}"]) == 0
    assert capsys.readouterr().out == f"The page is {tmp_path / 'a.html'}.\n"
    assert main([*page, f"--output={tmp_path / 'b.html'}", "--self-contained"]) == 0
    assert main([*page, f"--output={tmp_path / 'c.html'}", "--small"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"a.html", "a-pictures", "b.html", "c.html"}
    assert "the run has the full-size ones" in (tmp_path / "c.html").read_text()
    assert "<bdi>tiny-model-offload</bdi>" in (tmp_path / "a.html").read_text()


def test_report_shows_the_latest_gate_or_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name, that which was started last; by its id or its folder, any."""
    folder = gates.gate(tmp_path)
    assert main(["report", f"--runs={tmp_path}"]) == 0
    assert capsys.readouterr().out.startswith("Not safe: of 4 cases")
    run = run_of(tmp_path, "full")
    run.write_json(runs.VERDICTS, ())
    run.write_json(PLAN, plan_of(CASES.values(), asked=set(CASES)))
    os.rename(run.folder, tmp_path / "20991231-000000-tiny")
    for name, opening in (("latest", "0 of 0 "), (folder.name, "Not safe"), (f"{folder}/gate.json", "Not safe")):
        assert main(["report", name, f"--runs={tmp_path}"]) == 0
        assert capsys.readouterr().out.startswith(opening)


@pytest.mark.parametrize(
    ("form", "opening"),
    [("markdown", "# Fluxgate: Not safe"), ("json", "{"), ("junit", "<?xml"), ("html", "The page is ")],
)
def test_report_shows_a_gate_in_every_form(
    form: str, opening: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it shows a run."""
    folder = gates.gate(tmp_path)
    output = [f"--output={tmp_path / 'told'}"] if form == "html" else []
    assert main(["report", str(folder), "--format", form, *output]) == 0
    assert capsys.readouterr().out.startswith(opening)


def test_report_tells_github_what_its_runner_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The summary on standard output, the annotation beside it, outputs after those that are there, and a comment."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    monkeypatch.setenv("GITHUB_WORKFLOW", "gate")
    (tmp_path / "outputs").write_text("other=1\n")
    folder, note = gates.gate(tmp_path), tmp_path / "comment.md"
    page = "--page=https://x.example/report.html"
    assert main(["report", str(folder), "--format=github", page, f"--comment={note}"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("## ❌ Fluxgate: Not safe")
    assert told.out.count("<img ") == 2
    assert [line[:8] for line in told.err.splitlines()] == ["::error "]
    lines = (tmp_path / "outputs").read_text().splitlines()
    assert lines[0] == "other=1"
    assert {"not safe", "transformers 4.49.0 → 4.50.0", "transformers==4.49.0"} <= set(lines)
    assert note.read_text().startswith("<!-- fluxgate:gate -->\n## ❌")


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_a_folder_is_no_file_to_write(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It stays, and one sentence names it."""
    folder, output = gates.gate(tmp_path / "runs"), tmp_path / "output"
    output.mkdir()
    assert main(["report", str(folder), f"--format={form}", f"--output={output}"]) == USAGE
    assert not unsaid(capsys.readouterr().err, str(output), "Is a directory")
    assert not list(output.iterdir())


def test_report_says_that_there_is_nothing_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a run nor a gate."""
    assert main(["report", f"--runs={tmp_path}"]) == USAGE
    assert not unsaid(capsys.readouterr().err, str(tmp_path), "neither a run nor a gate")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--format=html"], "A page is written to a file: add --output FILE.\n"),
        (["--format=json", "--page=https://x.example"], "--page and --comment need --format github.\n"),
        (
            ["--format=github", "--page=javascript:x"],
            "--page takes the address of a page, https://…; this is 'javascript:x'.\n",
        ),
        (["--format=junit", "--small"], "--small needs --format html; --format junit has no pictures.\n"),
        (
            ["--format=json", "--self-contained"],
            "--self-contained needs --format html; --format json has no pictures.\n",
        ),
    ],
)
def test_report_refuses_options_that_do_not_go_together(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it reads the run."""
    assert main(["report", "nowhere", *options]) == USAGE
    assert capsys.readouterr().err == complaint


@pytest.mark.parametrize("form", ["terminal", "markdown"])
def test_report_tells_what_published_settings_change(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_exists: None
) -> None:
    """Where the run has pictures made with them: these two strategies gave the very pictures of full."""
    run = run_of(tmp_path, "full", "staged-float16", "staged-256-tokens")
    run.write_json(runs.VERDICTS, ())
    assert main(["report", str(run.folder), "--format", form]) == 0
    told = capsys.readouterr().out
    assert not unsaid(told, "tiny against full")
    assert not unsaid(told, "Neither float16 nor 256 tokens")


def test_reports_tell_cards_and_the_limit(
    on_a_gpu: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """In all three forms; the run had 8 GB, and the smallest standard card has as much."""
    run = str(next(iter(sorted(on_a_gpu.iterdir()))))
    main(["judge", run, f"--baselines={on_a_gpu}/none"])
    told = capsys.readouterr().out
    assert re.search(r"^tiny .* peak +time .*card", told, re.MULTILINE)
    assert re.search(r"^model-offload .* 1\.00 .* 8$", told, re.MULTILINE)
    assert not unsaid(told, "8.00 GB of each GPU")
    assert main(["report", run, "--format=markdown"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("# Fluxgate on A tiny GPU\n")
    assert not unsaid(told, "8.00 GB of each GPU")
    assert "| card |\n" in told
    assert main(["report", run, "--format=json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"]["vram_limit"] == 8 * 10**9
    assert {row["strategy"]: row["card"] for row in found["cases"]}["model-offload"] == 8

"""Tests of `init`: what it writes works, nothing is overwritten, and a second time does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from fluxgate.cli.init import installed_from, plan
from fluxgate.cli.main import main
from fluxgate.configuration import configuration_at
from fluxgate.refusal import USAGE
from tests.outside import call
from tests.wording import unsaid

ROOT = Path(__file__).parents[2]
FILES = ["pyproject.toml", "ours/strategies.py", "tests/test_pictures.py", ".github/workflows/fluxgate.yml"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_empty_folder_gets_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And every line that was written is shown."""
    assert main(["init", str(tmp_path)]) == 0
    assert sorted(contents(tmp_path)) == sorted(FILES)
    shown = capsys.readouterr().out
    for text in contents(tmp_path).values():
        assert [line for line in text.decode().splitlines() if line.strip() not in shown] == []
    assert configuration_at(tmp_path).strategies == ("ours.strategies",)


def test_a_second_time_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not a byte, and it says so."""
    main(["init", str(tmp_path)])
    before = contents(tmp_path)
    capsys.readouterr()
    assert main(["init", str(tmp_path)]) == 0
    assert contents(tmp_path) == before
    assert not unsaid(capsys.readouterr().out, "Nothing was written")


@pytest.mark.parametrize("before", ['[project]\nname = "x"\n', '[project]\nname = "x"', ""])
def test_a_pyproject_keeps_what_it_says(tmp_path: Path, before: str) -> None:
    """The table comes after it."""
    (tmp_path / "pyproject.toml").write_text(before)
    assert main(["init", str(tmp_path)]) == 0
    after = (tmp_path / "pyproject.toml").read_text()
    assert after.startswith(before)
    assert tomllib.loads(after)["tool"]["fluxgate"]["subject"] == "miniature"


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """Neither a table, whose own strategies stand for ours, nor a file of the same name."""
    own = {"pyproject.toml": '[tool.fluxgate]\ntier = "all"\n', "tests/test_pictures.py": "mine = 1\n"}
    (tmp_path / "tests").mkdir()
    for name, text in own.items():
        (tmp_path / name).write_text(text)
    assert main(["init", str(tmp_path)]) == 0
    assert {name: (tmp_path / name).read_text() for name in own} == own
    assert not (tmp_path / "ours").exists()


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And shows all of it."""
    assert main(["init", str(tmp_path), "--dry-run", "--package=mine"]) == 0
    assert contents(tmp_path) == {}
    assert "This would be written to" in (shown := capsys.readouterr().out)
    assert 'strategies = "mine.strategies"' in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "nowhere is not a folder."),
        (["--package=our-own"], "--package is 'our-own'; it must be the name of a Python package."),
        (["--package=class"], "--package is 'class'; it must be the name of a Python package."),
        (["--package=../up"], "--package is '../up'; it must be the name of a Python package."),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", *arguments]) == USAGE
    assert capsys.readouterr().err == f"{sentence}\n"
    assert contents(tmp_path) == {}


def test_a_faulty_pyproject_is_told_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is appended to it would be as faulty."""
    (tmp_path / "pyproject.toml").write_text("[tool\n")
    assert main(["init", str(tmp_path)]) == USAGE
    assert "pyproject.toml is not valid TOML" in capsys.readouterr().err
    assert list(contents(tmp_path)) == ["pyproject.toml"]


def test_its_test_and_strategy_work(tmp_path: Path) -> None:
    """The first test passes, and `list` knows the strategy."""
    main(["init", str(tmp_path)])
    tested = call("-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=", "tests", within=tmp_path)
    assert tested.code == 0, tested.out + tested.err
    assert "1 passed" in tested.out
    listed = call("-m", "fluxgate", "list", within=tmp_path)
    assert "our-offload" in listed.out, listed.err


def test_its_workflow_is_as_safe_as_ours(tmp_path: Path) -> None:
    """zizmor finds nothing in it."""
    zizmor = Path(sys.executable).with_name("zizmor")
    if not zizmor.is_file():
        pytest.skip("zizmor is not installed: pip install -r requirements/tests.txt")
    *_, workflow = plan(tmp_path)
    workflow.path.parent.mkdir(parents=True)
    workflow.path.write_text(workflow.text)
    done = subprocess.run([zizmor, "--offline", "--no-progress", workflow.path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_workflow_installs_from_what_one_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands, quoted for YAML; then nothing is left to be filled in."""
    what = "git+https://example.org/fluxgate.git@0123#egg=x: y"
    assert main(["init", str(tmp_path), f"--install={what}"]) == 0
    workflow = yaml.safe_load((tmp_path / FILES[-1]).read_text())
    assert workflow["env"]["FLUXGATE"] == what
    assert "package index" not in capsys.readouterr().out.partition("Next:")[2]


def test_where_it_comes_from_must_be_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody knows, init says so, and the workflow's step ends with a sentence instead of another package."""
    monkeypatch.setattr("fluxgate.cli.init.installed_from", lambda: "")
    assert main(["init", str(tmp_path)]) == 0
    assert not unsaid(capsys.readouterr().out.partition("Next:")[2], "not on any package index")
    workflow = yaml.safe_load((tmp_path / FILES[-1]).read_text())
    assert workflow["env"]["FLUXGATE"] == ""
    runs = [
        step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "FLUXGATE" in step.get("run", "")
    ]
    assert len(runs) == 2
    for run in runs:
        done = subprocess.run(
            ["/bin/bash", "-c", run], env={"FLUXGATE": "", "PATH": ""}, capture_output=True, text=True
        )
        assert (done.returncode != 0, unsaid(done.stderr, "pip", "Fluxgate")) == (True, [])


FAKE = """#!/bin/bash
echo "$*" >> calls
case "$1" in
  gate) mkdir -p runs/gates; exit 1 ;;
  report) echo "Not safe" ;;
esac
"""


@pytest.mark.parametrize(
    ("before", "code", "calls"),
    [
        (None, 0, []),
        ("a==2\n", 0, []),
        ("a==1\n", 1, ["gate old.txt requirements.txt", "report latest --format github"]),
    ],
)
def test_the_workflow_gates_a_lock_file_that_changed(
    before: str | None, code: int, calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is new or the same is not gated; else the report is in the summary, and the exit code is the gate's."""
    monkeypatch.setattr("fluxgate.cli.init.installed_from", lambda: "")
    *_, workflow = plan(tmp_path)
    (script,) = (
        step["run"]
        for step in yaml.safe_load(workflow.text)["jobs"]["gate"]["steps"]
        if "Gate the lock file" in step.get("name", "")
    )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "fluxgate").write_text(FAKE)
    (tmp_path / "bin" / "fluxgate").chmod(0o755)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    if before is not None:
        (tmp_path / "requirements.txt").write_text(before)
    subprocess.run([*git, "add", "."], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "-q", "-m", "before"], cwd=tmp_path, check=True)
    (tmp_path / "requirements.txt").write_text("a==2\n")
    variables = {"BASE": "HEAD", "LOCK": "requirements.txt", "GITHUB_STEP_SUMMARY": "summary"}
    variables["PATH"] = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    called = (tmp_path / "calls").read_text().splitlines() if calls else []
    assert called[: len(calls)] == calls
    assert (tmp_path / "calls").exists() == (tmp_path / "summary").exists() == bool(calls)
    assert ("::notice" in done.stdout) == (before is None)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            '{"url": "https://e.org/f.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}',
            "git+https://e.org/f.git@abc",
        ),
        ('{"url": "file:///tmp/f.whl", "archive_info": {}}', ""),
        (None, ""),
    ],
)
def test_an_installation_from_git_is_recognised(
    written: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file on this machine means nothing on a runner."""
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: SimpleNamespace(read_text=lambda file: written))
    assert installed_from() == expected

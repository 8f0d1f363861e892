"""Tests of environments: what another Python has, and that nothing of this one reaches it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from fluxgate.environment import ENGINE, Environment, engine_alone, variables_with
from fluxgate.machine import detect, stack
from fluxgate.refusal import Refusal


def script(folder: Path, *lines: str) -> Path:
    """A program in place of a Python."""
    path = folder / "python"
    path.write_text("\n".join(["#!/bin/sh", *lines]))
    path.chmod(0o755)
    return path


def test_the_current_environment_is_that_of_this_process() -> None:
    """Its Python, its machine and its stack; asked from outside, it says the same."""
    current = Environment.current()
    assert (current.python, current.machine, current.stack) == (Path(sys.executable), detect(), stack())
    assert Environment.at(Path(sys.executable)) == current
    assert current.is_current


def test_another_environment_has_its_own_stack(other_python: Path, other_diffusers: str) -> None:
    """Here it differs in diffusers alone, and it has no Fluxgate of its own."""
    other = Environment.at(other_python)
    assert not other.is_current
    assert other.stack == {**stack(), "diffusers": other_diffusers}
    assert other.machine.torch == detect().torch


def test_a_package_of_this_process_does_not_reach_another_environment(
    other_python: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither through PYTHONPATH nor through the folder that it is started in."""
    for folder in (tmp_path / "path", tmp_path / "here"):
        information = folder / "torchao-9.9.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: torchao\nVersion: 9.9\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    monkeypatch.chdir(tmp_path / "here")
    assert Environment.at(other_python).stack.get("torchao") != "9.9"


def test_the_engine_alone_brings_no_other_package() -> None:
    """A Python with that folder on its path imports the engine from it, and nothing else is there."""
    with engine_alone() as folder:
        assert [path.name for path in folder.iterdir()] == ["fluxgate"]
        assert (folder / "fluxgate").resolve() == ENGINE.resolve()
    assert not folder.exists()


def test_variables_lead_another_python_to_no_package_of_ours() -> None:
    """What has nothing to do with packages stays."""
    variables = {"PYTHONPATH": "/ours", "PYTHONHOME": "/ours", "HOME": "/me", "PYTHONHASHSEED": "7"}
    assert variables_with(Path("/engine"), variables) == {
        "PYTHONPATH": "/engine",
        "HOME": "/me",
        "PYTHONHASHSEED": "7",
    }


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["echo 'it is too old' >&2; exit 1"], "cannot run Fluxgate: it is too old."),
        (["exit 3"], "cannot run Fluxgate: it ended with exit code 3."),
        (["echo hello"], "did not describe itself, but printed b'hello'."),
    ],
)
def test_what_is_no_python_for_fluxgate_is_refused_with_its_reason(
    tmp_path: Path, lines: list[str], reason: str
) -> None:
    """In its own words, where it has any."""
    with pytest.raises(Refusal) as raised:
        Environment.at(script(tmp_path, *lines))
    assert reason in str(raised.value)


def test_an_environment_without_what_the_engine_needs_is_refused(tmp_path: Path) -> None:
    """The sentence names the package that is missing."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    with pytest.raises(Refusal, match="No module named 'msgspec'"):
        Environment.at(tmp_path / "bare/bin/python")


@pytest.mark.parametrize(("name", "reason"), [("missing", "cannot be started"), (".", "is a folder; name the Python")])
def test_a_path_without_a_python_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    """Before anything is started in it."""
    with pytest.raises(Refusal, match=reason):
        Environment.at(tmp_path / name)


def test_a_python_is_named_by_its_own_path(other_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual environment's Python is a link to another's, and is not followed."""
    monkeypatch.chdir(other_python.parent)
    assert Environment.at(Path("python")).python == other_python
    assert os.path.realpath(other_python) != str(other_python)
    assert Environment.at(Path("python")).stack["diffusers"] != version("diffusers")


def test_another_python_finds_a_users_own_package_beside_the_engine(tmp_path: Path) -> None:
    """And nothing else of the folder that it lies in."""
    for name in ("ours", "theirs"):
        (tmp_path / "repository" / name).mkdir(parents=True)
        (tmp_path / "repository" / name / "strategies.py").write_text("NAME = __name__\n")
    code = (
        "import fluxgate, ours.strategies as ours; import importlib.util as u; print(ours.NAME, u.find_spec('theirs'))"
    )
    with engine_alone([tmp_path / "repository" / "ours"]) as engine:
        variables = variables_with(engine, os.environ)
        done = subprocess.run(
            [sys.executable, "-P", "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True
        )
    assert done.stdout.split() == ["ours.strategies", "None"], done.stderr

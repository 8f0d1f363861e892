"""Tests of `fluxgate gate`: what it refuses before it makes anything, and what it removes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.subjects import sources
from tests.outside import ROOT


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "Say what changes"),
        (["diffusers @ https://somewhere"], "names an address"),
        (["diffusers=0.43"], "is no requirement"),
        (["diffusers==0.43", "diffusers==0.42"], "asked for twice"),
        (["old.txt", "diffusers==0.43"], "two files of pins"),
        (["diffusers==0.43", "--wheelhouse", "nowhere"], "is no folder"),
        (["diffusers==0.43", "--repeats", "none"], "--repeats"),
        (["diffusers==0.43", "--python", "nowhere/python"], "cannot be started"),
        (["old.txt", "new.txt"], "old.txt"),
        (["new.txt"], "pip freeze > OLD.txt"),
        (["uv.lock", "pylock.toml"], "uv.lock"),
        (["diffusers==0.43", "--subject", "nobody"], "nobody"),
        (["diffusers==0.43", "--strategy", "full,nobody"], "nobody"),
        (["diffusers==0.43", "--strategy", ""], "fluxgate list"),
        (["diffusers==0.43", "--runs", "a-file/runs"], "a-file/runs cannot be written"),
        (["diffusers==0.43", "--output", "a-file/gate.json"], "a-file cannot be written"),
        (["diffusers==0.43", "--output", "."], "is a folder"),
        (["diffusers==0.43", "--case-timeout", "never"], "--case-timeout"),
        (["--clear-cache", "soon"], "--clear-cache"),
        (["diffusers==0.43", "--checkout", "diffusers"], "--checkout"),
        (["diffusers==0.43", "--checkout", "diffusers=nowhere"], "nowhere"),
        (["diffusers==0.43", "--each"], "needs --on"),
        (["diffusers==0.43", "--on", "nowhere"], "ray://HEAD:10001"),
        (["diffusers=0.43", "--on", "ray"], "is no requirement"),
        (["diffusers==0.43", "--on", "ray", "--each", "--output", "x.json"], "--output"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    arguments: list[str], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the exit code of what decided nothing, and nothing written."""
    monkeypatch.setenv(sources.CACHE, str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").touch()
    if "old.txt" in arguments or "cannot be written" in word:
        monkeypatch.setattr("fluxgate.gate.stacks.clone_of", lambda *_, **__: pytest.fail("it was not looked at first"))
    assert main(["gate", *arguments]) == 2
    error = capsys.readouterr().err
    assert word in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_the_cache_can_be_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without gating anything."""
    monkeypatch.setenv(sources.CACHE, str(tmp_path))
    assert main(["gate", "--clear-cache"]) == 0
    assert capsys.readouterr().out.startswith("0 environments removed")


def test_ctrl_c_says_in_one_line_that_the_next_call_goes_on(tmp_path: Path) -> None:
    """With the exit code of what decided nothing; no environment is left half-built."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "fluxgate", "gate", "no-such-package==1.0"],
        cwd=tmp_path,
        env={**os.environ, sources.CACHE: str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    next(line for line in process.stdout if "Building environment" in line)
    environments = tmp_path / "cache" / "environments"
    while process.poll() is None and not list(environments.glob("*/pyvenv.cfg")):
        time.sleep(0.01)  # until there is something half-built
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert (process.returncode, told.count("\n")) == (2, 1)
    assert "the next call continues" in told
    assert [path for path in environments.iterdir() if path.is_dir()] == []

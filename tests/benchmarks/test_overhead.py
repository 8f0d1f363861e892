"""Tests of benchmarks/overhead.py: what it cannot measure is told in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.refusal import USAGE
from tests.outside import ROOT, call


@pytest.mark.parametrize("options", [["--runs=mine"], ["--runs", "mine"]])
def test_a_folder_for_the_run_is_refused(options: list[str], tmp_path: Path) -> None:
    """It makes one of its own, and takes it away."""
    ended = call(str(ROOT / "benchmarks" / "overhead.py"), *options, within=tmp_path)
    assert (ended.code, ended.out, ended.err.count("\n")) == (USAGE, "", 1)


def test_a_session_that_renders_nothing_is_no_measurement(tmp_path: Path) -> None:
    """pytest says why, and its exit code is handed on."""
    ended = call(str(ROOT / "benchmarks" / "overhead.py"), "--strategy=nf5", within=tmp_path)
    assert (ended.code, "Traceback" in ended.err) == (USAGE, False)

"""Tests of what is left when the parent is interrupted or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fluxgate.files import read_plain
from fluxgate.render.pool.workers import FORK, SPAWN
from fluxgate.rendering import LOAD, Rendering
from tests.outside import ROOT

PARENT = """
import sys
from pathlib import Path
from fluxgate.render.pool.workers import Workers
from tests.render import making

with Workers(start=sys.argv[2]) as workers:
    folder = Path(sys.argv[1])
    workers.render(making.case(making.hangs), folder, source=folder, timeout=300)
"""


def parent(folder: Path, start: str) -> subprocess.Popen[bytes]:
    """A process that renders a case which hangs, once that hangs for certain."""
    process = subprocess.Popen([sys.executable, "-c", PARENT, str(folder), start], cwd=ROOT, start_new_session=True)
    deadline = time.monotonic() + 120
    while not (folder / "child.txt").exists() or not (folder / "child.txt").read_text():
        assert time.monotonic() < deadline, "the worker did not begin"
        time.sleep(0.05)
    return process


def gone(process: int) -> bool:
    """Whether a process ends within a few seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("start", [FORK, pytest.param(SPAWN, marks=pytest.mark.long)])
def test_ctrl_c_leaves_a_readable_case_and_no_process(tmp_path: Path, start: str) -> None:
    """The rendering says that it was interrupted, and in which phase."""
    folder = tmp_path / "case"
    process = parent(folder, start)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    assert process.wait(30) != 0
    crash = read_plain(folder / "rendering.json", Rendering).crash
    assert crash is not None
    assert (crash.kind, crash.phase) == ("interrupted", LOAD)
    assert gone(int((folder / "child.txt").read_text()))


def test_a_parent_that_is_killed_takes_its_worker_with_it(tmp_path: Path) -> None:
    """Nothing goes on rendering for nobody, and the notes stay readable."""
    folder = tmp_path / "case"
    process = parent(folder, FORK)
    process.kill()
    process.wait(30)
    assert gone(int((folder / "child.txt").read_text()))
    assert not (folder / "rendering.json").exists()
    assert (folder / "progress.jsonl").stat().st_size > 0

"""Tests of workers as their parent sees them: waited for until a time, and ended with all that they have started."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from fluxgate.render.process import forkserver, running
from fluxgate.render.process.running import Forked, Spawned, end, wait_for_exit

CHILD = (
    "import subprocess, sys, time; subprocess.Popen(['sleep', '600']); print('started', flush=True); time.sleep(600)"
)


def process(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)


def test_a_worker_is_looked_at_until_it_ends() -> None:
    """Its exit code is what it left with."""
    looks: list[float] = []
    with process("import time; time.sleep(0.5); raise SystemExit(3)") as worker:
        code = wait_for_exit(Spawned(worker), time.monotonic() + 60, lambda: looks.append(time.monotonic()))
    assert code == 3
    assert len(looks) > 1


def test_a_worker_that_is_not_done_in_time_has_no_exit_code() -> None:
    """It goes on until it is ended."""
    with process("import time; time.sleep(600)") as worker:
        assert wait_for_exit(Spawned(worker), time.monotonic() + 0.1, lambda: None) is None
        assert worker.poll() is None
        end(Spawned(worker))


@pytest.mark.parametrize("finished", [False, True])
def test_nothing_that_a_worker_has_started_outlives_it(finished: bool) -> None:
    """Whether it was ended or has ended by itself: its child no longer holds the pipe."""
    code = CHILD.replace("time.sleep(600)", "") if finished else CHILD
    with process(code) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"started\n"
        if finished:
            wait_for_exit(Spawned(worker), time.monotonic() + 60, lambda: None)
        end(Spawned(worker))
        assert worker.stdout.read() == b""


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_a_worker_that_has_ended_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    """Neither its server nor its parent sleeps until the next look, where the system tells who is gone; where it does
    not, the server looks again and again."""
    monkeypatch.setattr(running, "POLL", 60.0)
    monkeypatch.setattr(forkserver, "POLL", 60.0 if told else 0.02)
    if told and not hasattr(os, "pidfd_open"):
        pytest.skip("this Python cannot ask the system to be told when a process is gone")
    if not told:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    link = forkserver.forked_server(ends_soon)
    assert link is not None
    with link:
        started = time.monotonic()
        assert wait_for_exit(Forked(link, b"a job"), started + 60, lambda: None) == 3
        assert time.monotonic() - started < 30


def ends_soon(job: bytes) -> int:
    time.sleep(0.3)
    return 3

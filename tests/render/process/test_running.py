"""Tests of workers as their parent sees them: waited for until a time, and ended with all that they have started."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from fluxgate.render.process.running import Spawned, end, wait_for_exit

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

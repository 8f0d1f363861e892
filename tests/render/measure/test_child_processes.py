"""Tests of the processes that this one has started and that still run."""

import os
import subprocess
import sys
import time

import pytest

from fluxgate.render.measure.child_processes import child_processes

WAITING = "import sys; sys.stdin.read()"


def started(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WAITING, *arguments], stdin=subprocess.PIPE, start_new_session=True)


def new_ones(before: set[int]) -> set[int]:
    now = child_processes()
    assert now is not None
    return now - before


@pytest.fixture
def before() -> set[int]:
    found = child_processes()
    if found is None:
        pytest.skip("this system does not tell which processes a process has started")
    return found


def test_a_process_is_there_until_it_has_ended(before: set[int]) -> None:
    """In a session of its own, too; once it is dead it counts no more, though nobody has waited for it."""
    with started() as process:
        assert new_ones(before) == {process.pid}
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert new_ones(before) == set()


@pytest.mark.parametrize("name", ["multiprocessing.resource_tracker", "torch/_inductor/compile_worker"])
def test_what_ends_with_this_process_is_left_alone(before: set[int], name: str) -> None:
    """Helpers of Python's and torch's, by their command lines."""
    with started(name) as process:
        time.sleep(0.3)  # until the system tells its command line
        assert new_ones(before) == set()
        process.kill()

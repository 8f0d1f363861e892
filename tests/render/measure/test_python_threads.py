"""Tests of the threads that run in this process."""

from __future__ import annotations

import threading

import pytest
from tqdm import TMonitor, tqdm  # type: ignore[import-untyped]  # it has no types

from fluxgate.render.measure.python_threads import python_threads


@pytest.mark.parametrize("daemon", [False, True])
def test_a_thread_that_runs_is_seen_until_it_ends(daemon: bool) -> None:
    """Whether or not the process would wait for it."""
    before, done = python_threads(), threading.Event()
    thread = threading.Thread(target=done.wait, daemon=daemon)
    thread.start()
    assert len(python_threads() - before) == 1
    done.set()
    thread.join()
    assert python_threads() - before == set()


def test_the_monitor_of_progress_bars_is_no_leftover() -> None:
    """It waits for the next bar."""
    before = python_threads()
    monitor = TMonitor(tqdm, 60)
    assert python_threads() - before == set()
    monitor.exit()

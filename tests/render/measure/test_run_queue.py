"""Tests of how long threads waited for a processor."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fluxgate.render.measure import run_queue
from fluxgate.render.measure.run_queue import seconds_waited_for_processor

needs_statistics = pytest.mark.skipif(
    seconds_waited_for_processor() is None, reason="this system has no /proc/self/task/*/schedstat"
)


def work(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


@needs_statistics
def test_who_shares_a_processor_waits_for_it() -> None:
    """Three busy processes on one processor leave a fourth a share of it, and the rest it waits."""
    script = "import os, time\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    alone = f"{script}print('ready', flush=True)\nwhile True: pass"
    before = os.sched_getaffinity(0)
    busy = [subprocess.Popen([sys.executable, "-c", alone], stdout=subprocess.PIPE) for _ in range(3)]
    try:
        for process in busy:
            assert process.stdout is not None
            process.stdout.readline()
        os.sched_setaffinity(0, {min(before)})
        started, waited = time.perf_counter(), seconds_waited_for_processor()
        work(0.1)
        passed, now = time.perf_counter() - started, seconds_waited_for_processor()
    finally:
        os.sched_setaffinity(0, before)
        for process in busy:
            process.kill()
            process.communicate()
    assert waited is not None
    assert now is not None
    assert 0.1 < now - waited < passed


@needs_statistics
def test_sleep_is_no_waiting_for_a_processor() -> None:
    """Nobody else is to blame for it."""
    waited = seconds_waited_for_processor()
    started = time.perf_counter()
    time.sleep(0.5)
    now = seconds_waited_for_processor()
    assert waited is not None
    assert now is not None
    assert now - waited < 0.5 * (time.perf_counter() - started)


@needs_statistics
def test_every_thread_counts() -> None:
    """Those that compute beside the first one wait as well."""
    waiting = threading.Event()
    thread = threading.Thread(target=waiting.wait)
    thread.start()
    assert len(list(run_queue.THREADS.iterdir())) > 1
    assert (seconds_waited_for_processor() or 0.0) > 0
    waiting.set()
    thread.join()


def test_a_system_that_does_not_say_gives_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder, or no statistics in it, is not nothing waited."""
    monkeypatch.setattr(run_queue, "THREADS", tmp_path / "none")
    assert seconds_waited_for_processor() is None
    (tmp_path / "1").mkdir()
    monkeypatch.setattr(run_queue, "THREADS", tmp_path)
    assert seconds_waited_for_processor() is None
    (tmp_path / "1" / "schedstat").write_text("5 2000000000 7\n")
    assert seconds_waited_for_processor() == 2.0

"""Tests of how a worker's end is seen from outside."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from fluxgate.render.process import endings
from fluxgate.render.process.endings import Ending, last_lines, signal_name
from fluxgate.render.process.notes import Note
from fluxgate.rendering import DENOISE, LAST_LINES, Crash


def ending(tmp_path: Path, **facts: Any) -> Ending:
    (tmp_path / "log.txt").write_text("the last words\n")
    return Ending(tmp_path / "log.txt", timeout=30, kills_before=facts.pop("kills_before", None), **facts)


def test_a_finished_worker_has_not_crashed(tmp_path: Path) -> None:
    """Exit code 0 and the last note."""
    assert ending(tmp_path, code=0).crash([Note(finished=True)]) is None


@pytest.mark.parametrize(
    ("facts", "kind", "sentence"),
    [
        ({"code": 0}, "exit", "the worker ended with exit code 0 before it was done"),
        ({"code": 7}, "exit", "the worker ended with exit code 7 before it was done"),
        ({"code": -11}, "signal", "the worker was ended by SIGSEGV"),
        ({"timed_out": True}, "timeout", "the worker was not done after 30 s and was killed"),
        ({"interrupted": True}, "interrupted", "the run was interrupted while the worker was at work"),
        ({"failed_start": "no fork"}, "exception", "no fork"),
    ],
)
def test_each_end_has_its_kind(tmp_path: Path, facts: Any, kind: str, sentence: str) -> None:
    """With the phase it happened in and the last lines of the log."""
    crash = ending(tmp_path, **facts).crash([Note(phase=DENOISE)])
    assert crash == Crash(kind, sentence, DENOISE, ("the last words",))


def test_a_worker_that_finished_and_then_died_has_crashed(tmp_path: Path) -> None:
    """Its last note does not excuse a signal afterwards."""
    crash = ending(tmp_path, code=-6).crash([Note(finished=True)])
    assert crash is not None
    assert crash.kind == "signal"


def test_what_the_worker_said_itself_counts_more(tmp_path: Path) -> None:
    """Its exception, with the phase that the notes tell."""
    noted = Crash("CUDA error", "it broke", None, ("a", "b"))
    crash = ending(tmp_path, code=1).crash([Note(phase=DENOISE), Note(crash=noted)])
    assert crash == Crash("CUDA error", "it broke", DENOISE, ("a", "b"))


@pytest.mark.parametrize(("before", "after", "kind"), [(3, 4, "out of memory"), (3, 3, "signal"), (None, 4, "signal")])
def test_a_kill_by_the_system_for_want_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int | None, after: int, kind: str
) -> None:
    """SIGKILL while the kernel counted one more such kill."""
    monkeypatch.setattr(endings, "kills_for_memory", lambda: after)
    crash = ending(tmp_path, code=-signal.SIGKILL, kills_before=before).crash([])
    assert crash is not None
    assert crash.kind == kind


def test_the_kernels_count_is_a_number_or_nothing() -> None:
    """On Linux it is there."""
    count = endings.kills_for_memory()
    assert count is None or count >= 0


def test_signals_without_a_name() -> None:
    """Real-time signals have a number only."""
    assert signal_name(9) == "SIGKILL"
    assert signal_name(1000) == "signal 1000"


def test_the_last_lines_of_any_log(tmp_path: Path) -> None:
    """Long lines are cut, bytes that are no text are replaced, a missing log has no lines."""
    log = tmp_path / "log.txt"
    assert last_lines(log) == ()
    log.write_bytes(b"".join(b"%d\n" % number for number in range(100)) + b"\xff" + b"x" * 1000)
    lines = last_lines(log)
    assert len(lines) == LAST_LINES
    assert lines[-2] == "99"
    assert len(lines[-1]) == endings.LONGEST_LINE


def test_a_system_that_does_not_count_kills(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No file is no count, and so is a file without the line."""
    monkeypatch.setattr(endings, "VMSTAT", tmp_path / "vmstat")
    assert endings.kills_for_memory() is None
    (tmp_path / "vmstat").write_text("nr_free_pages 1\n")
    assert endings.kills_for_memory() is None
    (tmp_path / "vmstat").write_text("nr_free_pages 1\noom_kill 4\n")
    assert endings.kills_for_memory() == 4

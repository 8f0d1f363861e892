"""Tests of waiting: one at a time, told with growing gaps, and never for the dead."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from fluxgate import locks
from fluxgate.locks import held, wait_until

ROOT = Path(__file__).parents[1]


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """The second begins when the first has ended."""
    events: list[str] = []

    def hold(name: str) -> None:
        with held(tmp_path / "lock", waiting=""):
            events.append(f"{name} begins")
            time.sleep(0.2)
            events.append(f"{name} ends")

    threads = [threading.Thread(target=hold, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event[2:] for event in events] == ["begins", "ends", "begins", "ends"]


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """The system releases it."""
    code = (
        "import os, sys; from pathlib import Path; from fluxgate.locks import held\n"
        "held(Path(sys.argv[1]), waiting='').__enter__(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "lock")], cwd=ROOT, check=False)
    with held(tmp_path / "lock", waiting="", report=pytest.fail):
        pass


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    """Others may write to the folder, too."""
    (tmp_path / "lock").symlink_to(tmp_path / "somewhere")
    with pytest.raises(OSError, match="lock"), held(tmp_path / "lock", waiting=""):
        pass


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664)])
def test_a_lock_is_as_open_as_its_users_files_are(tmp_path: Path, umask: int, mode: int) -> None:
    """A team that shares a folder waits for each other in it."""
    before = os.umask(umask)
    try:
        with held(tmp_path / "lock", waiting=""):
            assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == mode
    finally:
        os.umask(before)


def test_waiting_ends_with_its_time(tmp_path: Path) -> None:
    """The error says what was waited for."""
    with (
        held(tmp_path / "lock", waiting=""),
        pytest.raises(TimeoutError, match="waiting for the store"),
        held(tmp_path / "lock", waiting="waiting for the store", timeout=0.1),
    ):
        pass


def test_waiting_is_reported_with_growing_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second, then after ten, then whenever the time has doubled, and every five minutes at the least."""
    clock = [0.0]
    fake = SimpleNamespace(monotonic=lambda: clock[0], sleep=lambda pause: clock.__setitem__(0, clock[0] + 1.0))
    monkeypatch.setattr(locks, "time", fake)
    lines: list[str] = []
    wait_until(lambda: clock[0] > 1000, waiting=lambda seconds: f"{seconds:.0f} s", report=lines.append)
    assert lines == ["1 s", "11 s", "22 s", "44 s", "88 s", "176 s", "352 s", "652 s", "952 s"]

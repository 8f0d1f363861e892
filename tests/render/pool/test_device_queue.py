"""Tests of turns: one at a time on a device, whichever process asks."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fluxgate.render.pool.device_queue import held_file, turn

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_two_turns_on_a_device_follow_each_other() -> None:
    """The second begins when the first has ended."""
    events: list[str] = []

    def take(name: str, seconds: float) -> None:
        with turn("cpu"):
            events.append(f"{name} begins")
            time.sleep(seconds)
            events.append(f"{name} ends")

    threads = [threading.Thread(target=take, args=(name, 0.2)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event[2:] for event in events] == ["begins", "ends", "begins", "ends"]


def test_turns_on_two_devices_do_not_wait() -> None:
    """One lane for each GPU."""
    with turn("GPU-1"), turn("GPU-2"):
        pass


def test_waiting_is_told() -> None:
    """Who waits says so after a second."""
    lines: list[str] = []
    waiting = threading.Thread(target=lambda: turn("cpu", report=lines.append).__enter__())
    with turn("cpu"):
        waiting.start()
        time.sleep(1.3)
    waiting.join()
    assert lines == ["waiting for another process that renders on cpu"]


def test_a_process_that_dies_lets_go(tmp_path: Path) -> None:
    """Nobody waits for the dead."""
    code = (
        "import os, sys; from pathlib import Path; from fluxgate.render.pool.device_queue import held_file\n"
        "held_file(Path(sys.argv[1]), waiting='', report=print).__enter__(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "lock")], cwd=ROOT, check=False)
    with held_file(tmp_path / "lock", waiting="", report=pytest.fail):
        pass


def test_a_device_never_names_a_path(tmp_path: Path) -> None:
    """Whatever a driver calls its GPU, the lock lies in the temporary folder."""
    with turn("../../GPU 1/x"):
        assert [path.name.rpartition("-GPU")[2] for path in tmp_path.iterdir()] == ["-1-x.lock"]


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    """The temporary folder is everybody's."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="lock"), held_file(tmp_path / "lock", waiting="", report=print):
        pass

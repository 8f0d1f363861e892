"""Tests of the device queue: in the order of arrival, for all users, and past the dead."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from fluxgate.locks import PAUSE
from fluxgate.refusal import Refusal
from fluxgate.render.pool import device_queue
from fluxgate.render.pool.device_queue import turn
from tests.wording import unsaid

ROOT = Path(__file__).parents[3]
# Takes as many turns as it is asked to, and notes its name and each turn's begin.
TAKES_TURNS = """
import sys, time
from fluxgate.render.pool.device_queue import turn
name, log, turns, seconds = sys.argv[1:]
for _ in range(int(turns)):
    with turn("GPU-1", case=name, report=lambda line: print(line, flush=True)):
        with open(log, "a") as stream:
            stream.write(name)
        time.sleep(float(seconds))
"""
AS_ANOTHER_USER = """
import os
from fluxgate.render.pool.device_queue import turn
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
with turn("GPU-1", case="theirs", report=lambda line: print(line, flush=True)):
    print("their turn")
"""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the queue for GPU-1."""
    monkeypatch.setenv(device_queue.VARIABLE, str(tmp_path / "queue"))
    return tmp_path / "queue" / "GPU-1"


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path, queue: Path) -> Iterator[Start]:
    """Starts a process that takes turns, and returns once it stands in the queue."""
    processes: list[subprocess.Popen[str]] = []

    def start(name: str, turns: int = 1, seconds: float = 0.0) -> subprocess.Popen[str]:
        before = len(tickets(queue))
        command = [sys.executable, "-c", TAKES_TURNS, name, str(tmp_path / "log"), str(turns), str(seconds)]
        processes.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        wait_for(lambda: len(tickets(queue)) > before)
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def tickets(queue: Path) -> list[Path]:
    return list(queue.iterdir()) if queue.is_dir() else []


def wait_for(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_turns_are_taken_in_the_order_of_arrival(tmp_path: Path, start: Start) -> None:
    """Whoever came first is first, whatever its process."""
    with turn("GPU-1", case="this"):
        processes = [start(name) for name in "abc"]
    for process in processes:
        assert process.wait(60) == 0
    assert (tmp_path / "log").read_text() == "abc"


def test_a_process_that_comes_again_and_again_lets_others_in(tmp_path: Path, start: Start) -> None:
    """A session of many cases takes its next turn behind one that waits already."""
    log = tmp_path / "log"
    busy = start("a", turns=30, seconds=0.3)
    once = start("b")
    begun = log.read_text().count("a")
    assert once.wait(60) == 0
    busy.kill()
    assert log.read_text().index("b") == begun


def test_the_turn_of_a_killed_process_is_over(tmp_path: Path, start: Start) -> None:
    """The next in the queue begins at once."""
    holder = start("a", seconds=60)
    wait_for((tmp_path / "log").exists)
    waiting = start("b")
    holder.kill()
    assert waiting.wait(10) == 0
    assert (tmp_path / "log").read_text() == "ab"


def test_a_killed_process_that_waited_is_skipped(tmp_path: Path, start: Start, queue: Path) -> None:
    """Nobody waits for the dead, and their tickets are removed."""
    with turn("GPU-1", case="this"):
        dead = start("a")
        waiting = start("b")
        dead.kill()
        dead.wait()
    assert waiting.wait(10) == 0
    assert (tmp_path / "log").read_text() == "b"
    assert tickets(queue) == []


def test_two_devices_have_two_queues(queue: Path) -> None:
    """A case on one GPU waits for none on another."""
    with turn("GPU-1", case="one", report=pytest.fail), turn("GPU-2", case="other", report=pytest.fail):
        pass


def test_as_many_have_a_device_at_once_as_each_of_them_allows(queue: Path) -> None:
    """The third waits for one of two; what wants it to itself waits for all, and all that come later for that."""
    reached: list[str] = []

    def take(name: str, at_once: int, until: threading.Event) -> threading.Thread:
        def hold() -> None:
            with turn("GPU-1", case=name, at_once=at_once):
                reached.append(name)
                assert until.wait(60)

        before = len(tickets(queue))
        thread = threading.Thread(target=hold)
        thread.start()
        wait_for(lambda: len(tickets(queue)) > before)
        return thread

    def has_reached(names: list[str]) -> bool:
        return sorted(reached) == sorted(names)

    ends = {name: threading.Event() for name in ("one", "two", "three", "alone", "last")}
    threads = [take(name, 1 if name == "alone" else 2, end) for name, end in ends.items()]
    for name, after in (("one", ["one", "two", "three"]), ("two", ["one", "two", "three"]), ("three", [*ends][:4])):
        wait_for(lambda: len(reached) >= 2)
        ends[name].set()
        wait_for(partial(has_reached, after))
        time.sleep(4 * PAUSE)
        assert has_reached(after)
    ends["alone"].set()
    ends["last"].set()
    for thread in threads:
        thread.join(60)
    assert reached[3:] == ["alone", "last"]


def test_a_case_that_fails_gives_the_device_back(queue: Path) -> None:
    """The next one finds nobody before it."""
    with pytest.raises(ValueError, match="no weights"), turn("GPU-1", case="fails"):
        raise ValueError("no weights")
    with turn("GPU-1", case="next", report=pytest.fail):
        pass


def test_a_line_says_who_renders_since_when_and_how_many_come_first(start: Start) -> None:
    """The process, its user, its case, the time it began, and the time waited so far."""
    with turn("GPU-1", case="miniature-nf4"):
        began = time.strftime("%H:%M")
        start("a")
        second = start("b")
        assert second.stdout is not None
        line = second.stdout.readline()
    pattern = (
        r"waiting for GPU-1 \(1 s so far\): process (\d+) of (\S+) renders miniature-nf4 on it since (\d\d:\d\d):\d\d; "
        r"1 more before this one\n"
    )
    match = re.fullmatch(pattern, line)
    assert match is not None, line
    assert (int(match[1]), match[2]) == (os.getpid(), device_queue._user())
    assert match[3] >= began or began == "23:59"


def test_the_folder_is_open_to_every_user_whatever_the_umask(queue: Path) -> None:
    """Everybody may add tickets and read those of others; its name holds no user."""
    before = os.umask(0o077)
    try:
        with turn("GPU-1", case="one"):
            (ticket,) = queue.iterdir()
            modes = [stat.S_IMODE(path.stat().st_mode) for path in (queue.parent, queue, ticket)]
    finally:
        os.umask(before)
    assert modes == [0o1777, 0o1777, 0o644]
    assert str(os.getuid()) not in str(device_queue.FOLDER)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start a process of another user")
def test_another_user_waits_in_the_same_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the turn of the first, and past a ticket of a dead process that it may not remove."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        monkeypatch.setenv(device_queue.VARIABLE, f"{folder}/queue")
        with turn("GPU-1", case="ours"):
            (Path(folder) / "queue/GPU-1/2").write_text("left by a dead process")
            command = [sys.executable, "-c", AS_ANOTHER_USER]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            line = process.stdout.readline()
        assert process.communicate(timeout=30)[0] == "their turn\n"
    assert not unsaid(line, f"process {os.getpid()}", device_queue._user(), "ours")


def test_a_ticket_that_another_user_wrote_cannot_write_to_the_terminal(queue: Path) -> None:
    """Only what can be printed is shown of it; one that is damaged is still waited for."""
    lines: list[str] = []
    waiting = threading.Thread(target=lambda: turn("GPU-1", case="waits", report=lines.append).__enter__())
    with turn("GPU-1", case="\x1b[2Jmini\nature"):
        waiting.start()
        wait_for(lambda: len(lines) == 1)
    waiting.join()
    assert "renders [2Jminiature on it" in lines[0]
    assert device_queue._parsed(b"\xff{").case == "something"


def test_what_is_no_ticket_is_in_nobodys_way(queue: Path) -> None:
    """Other files, and a pipe that nobody writes to."""
    with turn("GPU-1", case="first"):
        pass
    for name in ("notes", "٣", "9" * 40):
        (queue / name).touch()
    os.mkfifo(queue / "7")
    with turn("GPU-1", case="second", report=pytest.fail):
        assert (queue / "8").exists()


def test_a_ticket_that_cannot_be_written_is_taken_back(queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else everybody would wait for a process that renders nothing."""

    def write(handle: int, ticket: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(device_queue, "_write", write)
        with pytest.raises(Refusal, match="No space left on device"), turn("GPU-1", case="first"):
            pass
    with turn("GPU-1", case="second", report=pytest.fail):
        pass


@pytest.mark.parametrize("device", ["../../GPU 1/x", "cpu"])
def test_a_device_never_names_a_path(device: str, queue: Path) -> None:
    """Whatever a driver calls its GPU, its folder lies in that of all queues."""
    with turn(device, case="one"):
        (folder,) = queue.parent.iterdir()
        assert re.fullmatch(r"[A-Za-z0-9-]+", folder.name)
        assert json.loads((folder / "1").read_text())["process"] == os.getpid()


def test_a_link_in_place_of_the_folder_is_refused(tmp_path: Path, queue: Path) -> None:
    """Whoever writes to /tmp first must not choose where others write."""
    (tmp_path / "queue").symlink_to(tmp_path)
    with pytest.raises(Refusal, match=r"GPU-1.*no folder"), turn("GPU-1", case="x"):
        pass


def test_a_folder_that_cannot_be_made_is_refused_with_what_helps(tmp_path: Path, queue: Path) -> None:
    """The sentence names the folder, and the variable that names another."""
    (tmp_path / "queue").write_text("a file")
    with pytest.raises(Refusal, match=r"queue.*FLUXGATE_QUEUE"), turn("GPU-1", case="x"):
        pass

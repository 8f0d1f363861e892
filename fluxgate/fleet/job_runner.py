"""A runner: a GPU of a node that one case at a time has to itself, and the process that renders there.

Its methods take and give bytes and plain numbers alone. Whatever holds it, a process of Ray's or a test, its rendering
process ends when that ends: it reads from a pipe that nobody else holds open."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from fluxgate.environment import ENGINE
from fluxgate.fleet.job import News
from fluxgate.fleet.packing import packed
from fluxgate.fleet.serving import GIVEN, RESULT, VISIBLE, written_order
from fluxgate.refusal import Refusal
from fluxgate.render.process.endings import last_lines, way_of_ending
from fluxgate.render.process.forkserver import end_group

LEAVE = 5.0  # seconds that the process gets to end its worker itself
DESCRIBES = 300.0  # seconds for a node to describe itself
CASES, DESCRIBING = "fluxgate.fleet.case_process", "fluxgate.fleet.describing"  # what is run on a node


class JobRunner:
    """Starts the process with the first job, and again if it died.

    process: the module that does the jobs. deep: how many folders deep what they leave may lie."""

    def __init__(self, process: str = CASES, deep: int = 1) -> None:
        self._module, self._deep = process, deep
        self._process: subprocess.Popen[bytes] | None = None
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._folder = Path(tempfile.mkdtemp(prefix="fluxgate-fleet-"))

    def begin(self, pipelines: bytes) -> bytes:
        """Start the process before there is a job, so that it imports what these pipelines need."""
        self._process = self._started(*msgspec.json.decode(pipelines, type=list[str]))
        return b""

    def gpus(self) -> bytes:
        """Which of the node's GPUs this runner has, as CUDA_VISIBLE_DEVICES names them; empty where nobody has said."""
        return os.fsencode(os.environ.get(VISIBLE, ""))

    def start(self, lent: bytes, job: bytes, given: bytes = b"") -> bytes:
        """Begin a job, with what is given along as a file, on the runner's own GPU and on those that others lend."""
        (self._folder / GIVEN).write_bytes(given)
        if self._process is None or self._process.poll() is not None:
            self._end_input()
            self._process = self._started()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # how it ended is told as news
            self._process.stdin.write(written_order(os.fsdecode(b",".join(filter(None, (self.gpus(), lent)))), job))
            self._process.stdin.flush()
        return b""

    def news(self, patience: float) -> bytes:
        """All that there is to tell, as a list; waits so many seconds for the first of it."""
        pieces = []
        with suppress(queue.Empty):
            pieces.append(self._news.get(timeout=patience))
            while not pieces[-1].last:
                pieces.append(self._news.get_nowait())
        return msgspec.json.encode(pieces)

    def result(self) -> bytes:
        """The folder that the job has left, as a tar; it is removed here."""
        data = packed(self._folder / RESULT, deep=self._deep)
        shutil.rmtree(self._folder / RESULT, ignore_errors=True)
        return data

    def process(self) -> int:
        """The number of this process."""
        return os.getpid()

    def close(self) -> None:
        """End the process, its worker, and all that they have written."""
        if self._process is not None:
            self._end_input()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LEAVE)
            end_group(self._process.pid)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end_input(self) -> None:
        """By which the process learns that it is not needed any more."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _started(self, *arguments: str) -> subprocess.Popen[bytes]:
        log = self._folder / "log.txt"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", self._module, self._folder, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=variables(runner=True),
                start_new_session=True,
            )
        self._news = queue.SimpleQueue()  # what an earlier one has told of its end is of no job any more
        threading.Thread(target=_listen, args=(process, log, self._news), daemon=True).start()
        return process


def _listen(process: subprocess.Popen[bytes], log: Path, news: queue.SimpleQueue[News]) -> None:
    """Pass on what a process tells, and how it ended."""
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            with suppress(msgspec.DecodeError):  # the last line is half a one where the process was killed in it
                news.put(msgspec.json.decode(line, type=News))
    code = process.wait()
    last = "".join(f" ({line.strip()})" for line in last_lines(log)[-1:])
    news.put(News(died=f"the process that renders there {way_of_ending(code)}{last}"))


def describe(subjects: bytes) -> bytes:
    """What this node says of itself, and of these subjects; run where Ray, or a test, has a process on it."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", DESCRIBING],
        input=subjects,
        capture_output=True,
        env=variables(runner=False),
        timeout=DESCRIBES,
    )
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise Refusal(lines[-1] if lines else f"it {way_of_ending(done.returncode)}")
    return done.stdout


def variables(*, runner: bool) -> dict[str, str]:
    """The node's own environment variables, for a process that finds this Fluxgate.

    Those that this process was started with: Ray adds some of its own later, of which OMP_NUM_THREADS would change
    seconds, and on a CPU pixels. Of a runner's, the GPU that it was given is kept."""
    own = _at_start() or dict(os.environ)
    given = {VISIBLE: os.environ[VISIBLE]} if runner and VISIBLE in os.environ else {}
    path = os.pathsep.join([str(ENGINE.parent), *filter(None, [own.get("PYTHONPATH")])])
    return {**own, **given, "PYTHONPATH": path}


def _at_start() -> dict[str, str]:
    try:
        entries = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    pairs = (os.fsdecode(entry).partition("=") for entry in entries if b"=" in entry)
    return {name: value for name, _, value in pairs}

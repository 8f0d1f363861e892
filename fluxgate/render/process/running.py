"""A worker that has a job, as the process sees it that has started it."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from fluxgate.render.process.forkserver import end_group
from fluxgate.render.process.messages import receive, send

POLL = 0.02  # seconds between two looks at a worker
STACK_TIME = 0.5  # seconds that a hanging worker gets to write where it hangs


class Running(Protocol):
    """A worker that has a job."""

    pid: int

    def exit_code(self) -> int | None:
        """Its exit code, the negative number of the signal that ended it, or None while it runs."""

    def rest(self, seconds: float) -> None:
        """Do nothing for so long, or until it may have ended."""


class Forked:
    """A worker that a fork server made."""

    def __init__(self, link: socket.socket, job: bytes) -> None:
        self._link = link
        send(link, job)
        answer = receive(link)
        if answer is None:
            raise ConnectionError("the fork server is gone")
        self.pid = int(answer)
        self._code: int | None = None

    def exit_code(self) -> int | None:
        if self._code is None and select.select([self._link], [], [], 0)[0]:
            answer = receive(self._link)
            if answer is None:  # the server was killed, and nobody else ends what the worker has started
                end_group(self.pid)
            self._code = -signal.SIGKILL if answer is None else int(answer)
        return self._code

    def rest(self, seconds: float) -> None:
        select.select([self._link], [], [], seconds)


class Spawned:
    """A worker that has imported the libraries itself."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    def exit_code(self) -> int | None:
        code = self._process.poll()
        if code is not None:
            end_group(self.pid)
        return code

    def rest(self, seconds: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)


def wait_for_exit(worker: Running, deadline: float, look: Callable[[], None]) -> int | None:
    """The worker's exit code, or None if it was not done by the deadline. `look` is called again and again."""
    while (code := worker.exit_code()) is None:
        if time.monotonic() > deadline:
            return None
        look()
        worker.rest(POLL)
    return code


def end(worker: Running) -> None:
    """See to it that the worker and all it started are gone; one that hangs first writes down where."""
    if worker.exit_code() is not None:
        return
    with suppress(ProcessLookupError):
        os.kill(worker.pid, signal.SIGUSR1)
        time.sleep(STACK_TIME)
    end_group(worker.pid)
    with suppress(ProcessLookupError):
        os.kill(worker.pid, signal.SIGKILL)
    while worker.exit_code() is None:
        worker.rest(POLL)

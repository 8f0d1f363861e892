"""A process that has imported the libraries, has not touched the GPU, and forks a worker for every job."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from fluxgate.gpus import visible_gpus
from fluxgate.render.process.messages import receive, send

POLL = 0.02  # seconds between two looks at a worker, where the system does not say that it is gone

Work = Callable[[bytes], int]  # does a packed job in the process that calls it, and gives the exit code


def reason_not_to_fork() -> str | None:
    """Why a fork of this process could not use the GPU: CUDA does not survive a fork once it is initialised."""
    import torch

    if torch.cuda.is_initialized():
        return "importing the libraries has initialised CUDA"
    if not visible_gpus():  # a build for CUDA that has counted none says the same as one that has used one
        return None
    pid = os.fork()
    if pid == 0:  # only a child's torch says what the driver knows, too
        bad = getattr(torch._C, "_cuda_isInBadFork", lambda: False)
        os._exit(1 if bad() else 0)
    if os.waitpid(pid, 0)[1]:
        return "importing the libraries has initialised the CUDA driver"
    return None


def forked_server(work: Work) -> socket.socket | None:
    """The link to a server forked from this very process, which has imported the libraries; None if it must not be."""
    if reason_not_to_fork() is not None:
        return None
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        try:
            ours.close()
            serve(theirs, work)
        finally:
            os._exit(0)
    theirs.close()
    return ours


def serve(link: socket.socket, work: Work) -> None:
    """Fork a worker for each job that comes, tell its process id and then its exit code, until the parent is gone."""
    while (job := receive(link)) is not None:
        pid = os.fork()
        if pid == 0:
            _become_worker(link, job, work)
        send(link, str(pid).encode())
        send(link, str(_wait_for_exit(pid, link)).encode())


def _become_worker(link: socket.socket, job: bytes, work: Work) -> None:
    os.setsid()  # a group of its own, so that its own children can be killed with it
    link.close()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = 1
    try:
        code = work(job)
    finally:
        os._exit(code)


def _wait_for_exit(pid: int, link: socket.socket) -> int:
    """A worker's exit code, as soon as it is gone; if the parent goes first, the worker must go too."""
    with _told_when_gone(pid) as gone:
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                end_group(pid)
                return os.waitstatus_to_exitcode(status)
            readable, _, _ = select.select([link.fileno(), *gone], [], [], POLL)
            if link.fileno() in readable:  # the parent never speaks while a worker runs: it is gone
                end_group(pid)
                os.waitpid(pid, 0)
                os._exit(1)


@contextmanager
def _told_when_gone(pid: int) -> Iterator[tuple[int, ...]]:
    """A file that can be read once a process is gone; none where the system has no such thing."""
    try:
        file = os.pidfd_open(pid)
    except (OSError, AttributeError):
        yield ()
        return
    try:
        yield (file,)
    finally:
        os.close(file)


def end_group(pid: int) -> None:
    """Kill a worker and all that it has started."""
    with suppress(ProcessLookupError, PermissionError):  # nobody is left in the group
        os.killpg(pid, signal.SIGKILL)

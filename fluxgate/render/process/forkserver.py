"""A process that has imported the heavy libraries, has not touched the GPU, and forks a worker for every job."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import sys
from contextlib import suppress

READY = b"ready"
POLL = 0.02  # seconds between two looks at a worker and at the parent


def send(link: socket.socket, data: bytes) -> None:
    """One message: its length, then its bytes."""
    link.sendall(struct.pack("!Q", len(data)) + data)


def receive(link: socket.socket) -> bytes | None:
    """The next message, or None once the other side is gone."""
    head = _exactly(link, 8)
    return None if head is None else _exactly(link, struct.unpack("!Q", head)[0])


def _exactly(link: socket.socket, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        try:
            part = link.recv(min(1 << 20, count - len(data)))
        except ConnectionError:
            return None
        if not part:
            return None
        data += part
    return bytes(data)


def preload() -> str | None:
    """Import what every worker needs; the reason why this process must not be forked, or None."""
    from fluxgate.render.process.worker import import_libraries

    import_libraries()
    return unfit()


def unfit() -> str | None:
    """Why a fork of this process could not use the GPU: CUDA does not survive a fork once it is initialised."""
    import torch

    if torch.cuda.is_initialized():
        return "importing the libraries has initialised CUDA"
    pid = os.fork()
    if pid == 0:  # a child asks torch, which knows it of the driver too
        bad = getattr(torch._C, "_cuda_isInBadFork", lambda: False)
        os._exit(1 if bad() else 0)
    if os.waitpid(pid, 0)[1]:
        return "importing the libraries has initialised the CUDA driver"
    return None


def standby() -> socket.socket | None:
    """The link to a server forked from this very process, which has imported everything; None if it is unfit."""
    if unfit() is not None:
        return None
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        try:
            ours.close()
            serve(theirs)
        finally:
            os._exit(0)
    theirs.close()
    return ours


def serve(link: socket.socket) -> None:
    """Fork a worker for each job that comes, tell its process id and then its exit code, until the parent is gone."""
    while (job := receive(link)) is not None:
        pid = os.fork()
        if pid == 0:
            _become_worker(link, job)
        send(link, str(pid).encode())
        send(link, str(_outlast(pid, link)).encode())


def _become_worker(link: socket.socket, job: bytes) -> None:
    os.setsid()  # a group of its own, so that its own children can be killed with it
    link.close()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = 1
    try:
        from fluxgate.render.process.worker import begin

        code = begin(job)
    finally:
        os._exit(code)


def _outlast(pid: int, link: socket.socket) -> int:
    """Wait for a worker; if the parent goes first, the worker must go too."""
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            end_group(pid)
            return os.waitstatus_to_exitcode(status)
        if select.select([link], [], [], POLL)[0]:  # the parent never speaks while a worker runs: it is gone
            end_group(pid)
            os.waitpid(pid, 0)
            os._exit(1)


def end_group(pid: int) -> None:
    """Kill a worker and all that it has started."""
    with suppress(ProcessLookupError, PermissionError):  # nobody is left in the group
        os.killpg(pid, signal.SIGKILL)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    link = socket.socket(fileno=int(sys.argv[1]))
    reason = preload()
    send(link, READY if reason is None else reason.encode())
    if reason is None:
        serve(link)


if __name__ == "__main__":
    main()

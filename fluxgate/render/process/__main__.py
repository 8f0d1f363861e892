"""A process that does jobs: `python -m fluxgate.render.process LINK fork|spawn PIPELINE...`.

It imports the libraries, says over the link what came of it, and then forks a worker for each job that comes, or does
the one job that it was spawned for itself."""

from __future__ import annotations

import os
import signal
import socket
import sys
from dataclasses import replace

import msgspec

from fluxgate.render.process.forkserver import reason_not_to_fork, serve
from fluxgate.render.process.launching import FORK
from fluxgate.render.process.libraries import import_libraries
from fluxgate.render.process.messages import receive, send
from fluxgate.render.process.worker import work


def main() -> None:
    number, start, *pipelines = sys.argv[1:]
    link = socket.socket(fileno=int(number))
    if start == FORK:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    imported = import_libraries(pipelines)
    if start == FORK and imported.crash is None:
        imported = replace(imported, no_fork=reason_not_to_fork())
    send(link, msgspec.json.encode(imported))
    if imported.crash is not None or imported.no_fork is not None:
        return
    if start == FORK:
        serve(link, work)
    elif (job := receive(link)) is not None:
        os._exit(work(job))


if __name__ == "__main__":
    main()

"""A process on a node that renders one case after the other: `python -m fluxgate.fleet.case_process FOLDER`.

Jobs come as lines of JSON on its standard input, and news go as lines of JSON to its standard output. Once the input
ends, whoever has started it is gone: it ends too, and the worker with it."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import msgspec

from fluxgate.cases import Case
from fluxgate.environment import Environment
from fluxgate.fleet.job import Job, News
from fluxgate.fleet.nodes import kind_differs
from fluxgate.refusal import Refusal
from fluxgate.render.pool.workers import Workers
from fluxgate.strategies.available import strategies
from fluxgate.strategies.record import restored
from fluxgate.subjects import sources

PATIENCE = 15.0  # seconds to end a worker once nobody is left who wants it

Tell = Callable[[News], None]


def main() -> None:
    tell = _told_to(os.dup(1))
    os.dup2(2, 1)  # whatever else is printed is no news
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been started deaf to it
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    folder = Path(sys.argv[1])
    try:
        threading.Thread(target=_read_jobs, args=(jobs,), daemon=True).start()
        render_jobs(jobs.get, folder, tell)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


def _told_to(handle: int) -> Tell:
    def tell(news: News) -> None:
        data = msgspec.json.encode(news) + b"\n"
        while data:
            data = data[os.write(handle, data) :]

    return tell


def _read_jobs(jobs: queue.SimpleQueue[bytes]) -> None:
    """Pass jobs on until there will be none; then end the process, by force if need be."""
    for line in sys.stdin.buffer:
        jobs.put(line)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(PATIENCE)
    os._exit(1)


def render_jobs(next_job: Callable[[], bytes], folder: Path, tell: Tell) -> None:
    """Render what comes, with workers whose libraries are imported once."""
    environment = Environment.current()
    with ExitStack() as resources:
        workers: Workers | None = None
        while True:
            job = msgspec.json.decode(next_job(), type=Job)
            try:
                case = case_of(job, environment)
                source = sources.locate(case.subject)
                if workers is None:
                    workers = resources.enter_context(
                        Workers(takes=job.takes, vram_limit=job.vram_limit, pipelines=job.pipelines)
                    )
                _render(case, folder / case.id, source, workers, timeout=job.timeout, tell=tell)
            except Refusal as refusal:
                tell(News(refused=str(refusal)))


def _render(case: Case, folder: Path, source: Path, workers: Workers, *, timeout: float, tell: Tell) -> None:
    workers.render(case, folder, source=source, timeout=timeout, report=lambda line: tell(News(says=line)))
    tell(News(ended=True))


def case_of(job: Job, environment: Environment) -> Case:
    """The case, with this node's own code for its strategy; refused where node and session do not fit together."""
    differs = kind_differs((environment.machine, environment.stack), (job.machine, job.stack))
    if differs is not None:
        raise Refusal(f"The node is not what it was: {differs}.")
    settled = restored(job.strategy)
    own = next((one for one in strategies() if one.name == settled.name), None)
    if own is None:
        raise Refusal(f"The node has no strategy {settled.name}.")
    return Case(job.subject, replace(settled, load=own.load), environment.machine.device)


if __name__ == "__main__":
    main()

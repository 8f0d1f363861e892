"""A process on a node that does one job after the other, as it is told in lines on its standard input.

News go as lines of JSON to its standard output. Once the input ends, whoever has started it is gone: it ends too, and
all that it has started with it."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fluxgate.fleet.job import News

PATIENCE = 15.0  # seconds to end what was started once nobody is left who wants it
VISIBLE = "CUDA_VISIBLE_DEVICES"  # which of a node's GPUs a process sees
RESULT, GIVEN = "result", "given.tar"  # in its folder: what a job leaves, and what was sent along with it

Tell = Callable[[News], None]
NextJob = Callable[[], bytes]


@dataclass(frozen=True)
class Order:
    """A line of the standard input."""

    gpus: str  # that the job has, as CUDA_VISIBLE_DEVICES names them; empty: as the process was started
    job: msgspec.Raw


def written_order(gpus: str, job: bytes) -> bytes:
    return msgspec.json.encode(Order(gpus, msgspec.Raw(job))) + b"\n"


def serve(act: Callable[[NextJob, Path, Tell], None]) -> None:
    """Let `act` do the jobs in the folder that the command line names, until there will be none."""
    tell = _told_to(os.dup(1))
    os.dup2(2, 1)  # whatever else is printed is no news
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been started deaf to it
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    folder = Path(sys.argv[1])

    def next_job() -> bytes:
        order = msgspec.json.decode(orders.get(), type=Order)
        if order.gpus:
            os.environ[VISIBLE] = order.gpus
        return bytes(order.job)

    try:
        threading.Thread(target=_read_orders, args=(orders,), daemon=True).start()
        act(next_job, folder, tell)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


def _told_to(handle: int) -> Tell:
    def tell(news: News) -> None:
        data = msgspec.json.encode(news) + b"\n"
        while data:
            data = data[os.write(handle, data) :]

    return tell


def _read_orders(orders: queue.SimpleQueue[bytes]) -> None:
    """Pass orders on until there will be none; then end the process, by force if need be."""
    for line in sys.stdin.buffer:
        orders.put(line)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(PATIENCE)
    os._exit(1)

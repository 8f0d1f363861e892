"""The parent's side: starts a worker for each case, follows its notes, and outlives whatever happens to it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from fluxgate.cases import Case
from fluxgate.files import write_plain
from fluxgate.machine import visible_gpus
from fluxgate.refusal import Refusal
from fluxgate.render.pool.device_queue import turn
from fluxgate.render.pool.endings import Ending, kills_for_memory
from fluxgate.render.process.determinism import ENVIRONMENT
from fluxgate.render.process.forkserver import READY, end_group, receive, send
from fluxgate.render.process.jobs import CaseJob, Job, name_of, packed
from fluxgate.render.process.notes import FILE, Note, Notebook, Of, Reading, compose
from fluxgate.rendering import Picture, Rendering

ROOT = Path(__file__).parents[3]
POLL = 0.02  # seconds between two looks at a worker
STACK_TIME = 0.5  # seconds that a hanging worker gets to write where it hangs
FORK, SPAWN = "fork", "spawn"


class Running(Protocol):
    """A worker at work."""

    pid: int

    def exit_code(self) -> int | None:
        """Its exit code, the negative number of the signal that ended it, or None while it works."""


class Forked:
    """A worker that the fork server made."""

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


class Spawned:
    """A worker that starts from nothing and imports everything itself."""

    def __init__(self, job: bytes, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fluxgate.render.process.worker"],
            stdin=subprocess.PIPE,
            env=_environment(environment),
            start_new_session=True,
        )
        self.pid = self._process.pid
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as stream:
            stream.write(job)

    def exit_code(self) -> int | None:
        code = self._process.poll()
        if code is not None:
            end_group(self.pid)
        return code


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a new Python process that can import the suite, whatever folder it is started in."""
    paths = [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    return {**ENVIRONMENT, **environment, "PYTHONPATH": os.pathsep.join(paths)}


class Workers:
    """Makes one worker process for each case, on one device.

    takes: how often each shot is rendered; None for twice on a GPU, and on a CPU twice the first shot, once the others.
    lane: the number among processes that render side by side; it picks the one GPU that workers see, None shows all.
    start: "fork" from a server that has imported everything, or "spawn" from nothing; fork falls back to spawn.
    link: to a fork server that is there already.
    vram_limit: bytes of each GPU that a worker may take; None for all there are."""

    def __init__(
        self,
        *,
        takes: int | None = None,
        lane: int | None = None,
        start: str = FORK,
        link: socket.socket | None = None,
        vram_limit: int | None = None,
    ) -> None:
        self.takes = takes
        self.vram_limit = vram_limit
        self.start = start
        self.fallback: str | None = None  # why workers are spawned although they should be forked
        self._confessed = False
        self._lane = lane
        self._server: subprocess.Popen[bytes] | None = None
        self._link = link
        self._ready = link is not None

    def __enter__(self) -> Self:
        if self.start == FORK and self._link is None:
            self._start_server()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stop_server()

    def _start_server(self) -> None:
        """Start it without waiting: it imports while the parent goes on."""
        ours, theirs = socket.socketpair()
        self._server = subprocess.Popen(
            [sys.executable, "-m", "fluxgate.render.process.forkserver", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(os.environ),
            start_new_session=True,  # it must outlive a killed parent for the moment in which it ends its own worker
        )
        theirs.close()
        self._link = ours

    def _stop_server(self) -> None:
        if self._link is not None:
            self._link.close()  # which is how the server learns that it is over
        if self._server is not None:
            self._server.wait()
        self._link = self._server = None

    def ready(self) -> None:
        """Wait until the fork server has imported everything."""
        self._serving()

    def _serving(self) -> socket.socket | None:
        """The link to a fork server that is ready, or None where workers must be spawned."""
        if self._link is None or self._ready:
            return self._link
        answer = receive(self._link)
        self._ready = answer == READY
        if not self._ready:
            self.fallback = answer.decode(errors="replace") if answer else "the fork server ended while it imported"
            self._stop_server()
        return self._link

    def render(
        self,
        case: Case,
        folder: Path,
        *,
        source: Path,
        timeout: float,
        report: Callable[[str], None] = lambda line: None,
        glance: Callable[[tuple[Picture, ...]], None] = lambda pictures: None,
    ) -> Rendering:
        """Render a case into its folder. Whatever the worker does, a rendering comes out, crashed if need be.

        report is told every line of progress; glance is shown the pictures of each shot once they are written."""

        def tell(note: Note) -> None:
            if note.says:
                report(f"{case.id}: {note.says}")
            if note.pictures:
                glance(note.pictures)

        devices, environment = self._devices(case)
        self.ready()  # importing the libraries measures nothing, so it needs no turn
        self._confess(report)
        with ExitStack() as turns:
            for device in sorted(devices):  # in one order everywhere, so that no two processes wait for each other
                turns.enter_context(turn(device, case=case.id, report=report))
            with _prepared(folder) as scratch:
                places = (folder.absolute(), source.absolute(), scratch.absolute())
                return self._follow(case, places, environment, timeout, tell)

    def _confess(self, report: Callable[[str], None]) -> None:
        """Say once why every case will take some seconds longer."""
        if self.fallback and not self._confessed:
            report(f"each worker imports the libraries anew, which takes seconds: {self.fallback}")
            self._confessed = True

    def _devices(self, case: Case) -> tuple[tuple[str, ...], dict[str, str]]:
        """The devices that this lane uses for a case, and the environment that shows its worker no others."""
        environment = dict(os.environ)
        gpus = visible_gpus() if case.device == "cuda" else ()
        if not gpus:
            return (case.device,), environment
        first = (self._lane or 0) % len(gpus)
        uuids = tuple(gpu.uuid for gpu in (gpus[first:] + gpus[:first])[: case.strategy.gpus])
        if self._lane is None:
            return uuids, environment
        return uuids, {**environment, "CUDA_VISIBLE_DEVICES": ",".join(uuids)}

    def _job(self, case: Case, folder: Path, source: Path, scratch: Path) -> CaseJob:
        return CaseJob(
            load=name_of(case.strategy.load),
            subject=replace(case.subject, shots=case.shots),
            device=case.device,
            source=source,
            scratch=scratch,
            folder=folder,
            takes=self.takes,
            vram_limit=self.vram_limit,
        )

    def process(self, job: Job, environment: Mapping[str, str]) -> Running:
        """A process that does a job."""
        data = packed(job, environment)
        link = self._serving()
        if link is not None:
            try:
                return Forked(link, data)
            except (ConnectionError, ValueError):
                self.fallback = "the fork server died"
                self._stop_server()
        return Spawned(data, environment)

    def _follow(
        self,
        case: Case,
        places: tuple[Path, Path, Path],
        environment: Mapping[str, str],
        timeout: float,
        tell: Callable[[Note], None],
    ) -> Rendering:
        folder = places[0]
        ending = Ending(log=folder / "log.txt", timeout=timeout, kills_before=kills_for_memory())
        notebook = Notebook(folder / FILE)
        notebook.add(Note(of=_of(case)))
        notebook.close()
        reading = Reading(folder / FILE)
        notes: list[Note] = []
        started = time.monotonic()
        try:
            worker = self.process(self._job(case, *places), environment)
            try:
                ending.code = outlast(worker, started + timeout, lambda: _take_in(reading, notes, tell))
                ending.timed_out = ending.code is None
            finally:
                end(worker)
        except KeyboardInterrupt:
            ending.interrupted = True
            raise
        except Exception as error:  # a job that cannot be sent, a process that cannot be made
            ending.trouble = f"the worker could not be started: {type(error).__name__}: {error}"
        finally:
            _take_in(reading, notes, tell)
            rendering = compose(notes, wall_seconds=time.monotonic() - started, crash=ending.crash(notes))
            write_plain(folder / "rendering.json", rendering)
        return rendering


def _of(case: Case) -> Of:
    recipes = {shot.name: shot.recipe for shot in case.shots}
    return Of(case.subject.name, case.strategy.name, case.device, recipes)


@contextmanager
def _prepared(folder: Path) -> Iterator[Path]:
    """An empty folder for the case, with a scratch folder that goes when the case is rendered."""
    if folder.exists():
        _refuse_foreign(folder)
        shutil.rmtree(folder)
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if (folder / "rendering.json").exists():
            (folder / FILE).unlink(missing_ok=True)


def _refuse_foreign(folder: Path) -> None:
    """Only what an earlier rendering left is ever removed."""
    names = {path.name for path in folder.iterdir()}
    if names and names.isdisjoint({FILE, "rendering.json"}):
        raise Refusal(f"{folder} holds something that is no rendering; a case is not rendered over it.")


def outlast(worker: Running, deadline: float, look: Callable[[], None]) -> int | None:
    """The worker's exit code, or None if it was not done by the deadline."""
    while (code := worker.exit_code()) is None:
        if time.monotonic() > deadline:
            return None
        look()
        time.sleep(POLL)
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
        time.sleep(POLL)


def _take_in(reading: Reading, notes: list[Note], tell: Callable[[Note], None]) -> None:
    """Keep the new notes, and pass them on."""
    for note in reading.new():
        notes.append(note)
        tell(note)

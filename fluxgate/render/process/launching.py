"""Starting processes that do jobs: forked from a server that has imported the libraries, or each from nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Protocol

import msgspec

from fluxgate.environment import ENGINE, Environment, engine_alone, variables_in, variables_with
from fluxgate.render.process.determinism import VARIABLES
from fluxgate.render.process.endings import last_lines_of, way_of_ending
from fluxgate.render.process.forkserver import end_group
from fluxgate.render.process.jobs import Job, packed
from fluxgate.render.process.libraries import Imported, ImportFailed, wrong_import
from fluxgate.render.process.messages import receive, send
from fluxgate.render.process.running import Forked, Running, Spawned
from fluxgate.rendering import Crash, CrashKind
from fluxgate.strategies.available import own_packages

FORK, SPAWN = "fork", "spawn"


class Launcher(Protocol):
    """Something that starts workers."""

    def imported(self, variables: Mapping[str, str]) -> Imported:
        """What came of importing the libraries; waits until a job under these variables could begin without that."""

    def launch(self, job: Job, variables: Mapping[str, str]) -> Running:
        """Start a process that does the job, under these environment variables."""

    def close(self) -> None:
        """Let go of what was made for the next workers."""


class ForkLauncher:
    """Starts workers through a fork server that was forked from this process, and has imported everything."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def imported(self, variables: Mapping[str, str]) -> Imported:
        return Imported()  # nothing is left to be imported

    def launch(self, job: Job, variables: Mapping[str, str]) -> Running:
        return Forked(self._link, packed(job, variables, path=sys.path))

    def close(self) -> None:
        self._link.close()  # which is how the server learns that no job will come


class Importing:
    """A process that imports the libraries and then waits for a job, or as a fork server for many."""

    def __init__(self, start: str, pipelines: Sequence[str], *, python: Path, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # it is closed with the process
        self.link, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [python, "-P", "-m", "fluxgate.render.process", str(theirs.fileno()), start, *pipelines],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env=variables,
                start_new_session=True,  # it must outlive a killed parent for the moment in which it ends its worker
            )
        self._imported: Imported | None = None

    def imported(self) -> Imported:
        """What came of the imports; waits for them."""
        if self._imported is None:
            answer = receive(self.link)
            self._imported = self._died() if answer is None else msgspec.json.decode(answer, type=Imported)
        return self._imported

    def _died(self) -> Imported:
        sentence = f"the process that imported the libraries {way_of_ending(self._process.wait())}"
        self._output.seek(0)
        crash = Crash(CrashKind.IMPORT, sentence, None, last_lines_of(self._output.read()))
        return Imported(crash=crash, no_fork=sentence)

    def give(self, job: bytes) -> Spawned:
        """Let it do a job itself."""
        with suppress(ConnectionError), self.link:  # if it is dead, its exit code says so
            send(self.link, job)
        self._output.close()
        return Spawned(self._process)

    def close(self) -> None:
        """End it, at once if it is still importing."""
        self.link.close()
        if self._imported is None:
            end_group(self._process.pid)
        self._process.wait()
        self._output.close()


class EnvironmentLauncher:
    """Starts workers in an environment.

    environment: None for that of this process.
    start: "fork" from a server that has imported everything, or "spawn" from nothing; fork falls back to spawn.
    pipelines: the classes of diffusers that jobs are going to use."""

    def __init__(
        self, *, environment: Environment | None = None, start: str = FORK, pipelines: Sequence[str] = ()
    ) -> None:
        self.fallback: str | None = None  # why workers are spawned although they should be forked
        self._environment = environment or Environment.current()
        self._start = start
        self._pipelines = pipelines
        self._engine = ENGINE.parent  # the folder from which workers import the engine
        self._resources = ExitStack()
        self._begun = False
        self._server: Importing | None = None
        self._next: Importing | None = None  # the worker that is going to be spawned next

    def begin(self) -> None:
        """Start a fork server without waiting: it imports while this process goes on."""
        if self._begun:
            return
        self._begun = True
        if not self._environment.is_current:
            self._engine = self._resources.enter_context(engine_alone(own_packages()))
        if self._start == FORK:
            self._server = self._importing(FORK, self._variables_at_start(os.environ))

    def close(self) -> None:
        self._stop_server()
        self._discard_next()
        self._resources.close()

    def imported(self, variables: Mapping[str, str]) -> Imported:
        """Raises ImportFailed if nothing can be rendered with what was imported."""
        self.begin()
        if self._server is not None:
            imported = self._server.imported()
            if imported.no_fork is None:
                return self._refusing_failures(imported)
            self._spawn_from_now_on(imported.no_fork)
        imported = self._standing_by(variables).imported()
        if imported.crash is not None:
            self._discard_next()
        return self._refusing_failures(imported)

    def launch(self, job: Job, variables: Mapping[str, str]) -> Running:
        self.begin()
        path = sys.path if self._environment.is_current else None
        data = packed(job, self._variables(variables), path=path)
        if self._server is not None:
            try:
                return Forked(self._server.link, data)
            except (ConnectionError, ValueError):
                self._spawn_from_now_on("the fork server died")
        worker, self._next = self._standing_by(variables), None
        return worker.give(data)

    def _refusing_failures(self, imported: Imported) -> Imported:
        crash = imported.crash
        if crash is None and (wrong := wrong_import(imported, self._environment)):
            crash = Crash(CrashKind.IMPORT, wrong, None, ())
        if crash is None and self._pipelines and set(self._pipelines) == set(imported.pipelines):
            crash = imported.pipelines[self._pipelines[0]]
        if crash is not None:
            raise ImportFailed(crash)
        return imported

    def _spawn_from_now_on(self, reason: str) -> None:
        self.fallback = reason
        self._stop_server()

    def _stop_server(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server = None

    def _importing(self, start: str, variables: Mapping[str, str]) -> Importing:
        return Importing(start, self._pipelines, python=self._environment.python, variables=variables)

    def _standing_by(self, variables: Mapping[str, str]) -> Importing:
        """A process that will do one job under these variables, which libraries may read while they are imported."""
        wanted = self._variables_at_start(variables)
        if self._next is not None and self._next.variables != wanted:
            self._discard_next()
        if self._next is None:
            self._next = self._importing(SPAWN, wanted)
        return self._next

    def _discard_next(self) -> None:
        if self._next is not None:
            self._next.close()
        self._next = None

    def _variables(self, given: Mapping[str, str]) -> dict[str, str]:
        """The environment variables of a job."""
        return dict(given) if self._environment.is_current else variables_with(self._engine, given)

    def _variables_at_start(self, given: Mapping[str, str]) -> dict[str, str]:
        """Those of a new process, which finds the engine whatever folder it is started in."""
        return {**VARIABLES, **variables_in(self._environment, self._engine, given)}

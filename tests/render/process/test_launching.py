"""Tests of launching: which process gets a job, with which variables; that it works is tested with the pool."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from fluxgate.environment import Environment
from fluxgate.render.process import launching
from fluxgate.render.process.determinism import VARIABLES
from fluxgate.render.process.jobs import CaseJob, name_of, unpacked
from fluxgate.render.process.launching import FORK, SPAWN, EnvironmentLauncher
from fluxgate.render.process.libraries import Imported, ImportFailed
from fluxgate.rendering import Crash
from tests.render import making


class Process:
    """Stands in for a process that imports the libraries."""

    made: ClassVar[list[Process]] = []
    answer: ClassVar[Imported] = Imported()

    def __init__(self, start: str, pipelines: Any, *, python: Path, variables: Mapping[str, str]) -> None:
        self.start = start
        self.python = python
        self.variables = variables
        self.jobs: list[bytes] = []
        self.closed = False
        Process.made.append(self)

    def imported(self) -> Imported:
        return Process.answer

    def give(self, job: bytes) -> Any:
        self.jobs.append(job)
        return self

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def processes(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """All processes that are started, none of which is one."""
    monkeypatch.setattr(launching, "Importing", Process)
    monkeypatch.setattr(Process, "made", [])
    monkeypatch.setattr(Process, "answer", Imported())
    return Process.made


@pytest.fixture
def other() -> Environment:
    """Another environment, by its name alone."""
    return replace(Environment.current(), python=Path("/there/bin/python"))


def job(folder: Path) -> CaseJob:
    return CaseJob(name_of(making.full), making.case(making.full).subject, "cpu", folder, folder, folder)


def test_nothing_is_started_before_it_is_needed(processes: list[Process]) -> None:
    """And one that was never begun has nothing to close."""
    launcher = EnvironmentLauncher()
    assert processes == []
    launcher.begin()
    launcher.begin()
    assert [process.start for process in processes] == [FORK]
    launcher.close()
    assert processes[0].closed


def test_the_process_that_has_imported_everything_gets_the_job(processes: list[Process], tmp_path: Path) -> None:
    """The next job gets another one."""
    launcher = EnvironmentLauncher(start=SPAWN)
    for _ in range(2):
        launcher.imported(os.environ)
        launcher.launch(job(tmp_path), os.environ)
    assert [len(process.jobs) for process in processes] == [1, 1]
    launcher.close()


def test_a_process_is_used_under_its_own_variables_only(processes: list[Process], tmp_path: Path) -> None:
    """Libraries read some of them while they are imported."""
    launcher = EnvironmentLauncher(start=SPAWN)
    launcher.imported({"ATEN_CPU_CAPABILITY": "avx2"})
    launcher.launch(job(tmp_path), {"ATEN_CPU_CAPABILITY": "default"})
    first, second = processes
    assert (first.closed, first.jobs) == (True, [])
    assert (second.variables["ATEN_CPU_CAPABILITY"], len(second.jobs)) == ("default", 1)
    launcher.close()


def test_a_server_that_must_not_fork_is_replaced_by_spawning(processes: list[Process]) -> None:
    """The reason is kept."""
    Process.answer = Imported(no_fork="CUDA is initialised")
    launcher = EnvironmentLauncher()
    launcher.imported(os.environ)
    assert [(process.start, process.closed) for process in processes] == [(FORK, True), (SPAWN, False)]
    assert launcher.fallback == "CUDA is initialised"
    launcher.close()


def test_a_process_that_died_while_it_imported_gets_no_job(processes: list[Process]) -> None:
    """The next one may live."""
    Process.answer = Imported(crash=Crash("import", "it died", None, ()), no_fork="it died")
    launcher = EnvironmentLauncher(start=SPAWN)
    for _ in range(2):
        with pytest.raises(ImportFailed, match="it died"):
            launcher.imported(os.environ)
    assert [process.closed for process in processes] == [True, True]


def test_a_job_of_this_environment_takes_path_and_variables_along(processes: list[Process], tmp_path: Path) -> None:
    """So that strategies of a test or of a user can be imported."""
    launcher = EnvironmentLauncher(start=SPAWN)
    launcher.launch(job(tmp_path), {"PYTHONPATH": "/ours"})
    surroundings = unpacked(processes[0].jobs[0])[1]
    assert (surroundings.path, surroundings.variables) == (sys.path, {"PYTHONPATH": "/ours"})
    assert processes[0].variables["PYTHONPATH"].endswith(f"{os.pathsep}/ours")
    assert processes[0].variables.items() >= VARIABLES.items()
    launcher.close()


def test_a_job_of_another_environment_takes_neither_along(
    processes: list[Process], other: Environment, tmp_path: Path
) -> None:
    """Its Python imports from a folder with the engine in it, and from its own."""
    launcher = EnvironmentLauncher(environment=other, start=SPAWN)
    launcher.launch(job(tmp_path), {"PYTHONPATH": "/ours", "PYTHONHOME": "/ours", "HOME": "/me"})
    (process,) = processes
    engine = Path(process.variables["PYTHONPATH"])
    surroundings = unpacked(process.jobs[0])[1]
    assert process.python == other.python
    assert surroundings.path is None
    assert surroundings.variables == {"PYTHONPATH": str(engine), "HOME": "/me"}
    assert [path.name for path in engine.iterdir()] == ["fluxgate"]
    launcher.close()
    assert not engine.exists()

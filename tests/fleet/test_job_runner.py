"""Tests of a runner: it renders one case after the other in a process that ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from fluxgate.environment import Environment
from fluxgate.fleet.describing import engine_hash
from fluxgate.fleet.job import Description, Job, News
from fluxgate.fleet.job_runner import JobRunner, describe
from fluxgate.fleet.on_cluster import job_of
from fluxgate.fleet.packing import sound_rendering, unpack
from fluxgate.fleet.serving import VISIBLE
from fluxgate.session.choice import Choice, Request, choose
from fluxgate.subjects.catalogue import subjects
from tests.devices import on_a_cpu
from tests.outside import tiny
from tests.wording import unsaid

LONGEST = 240.0  # seconds that a case may take on a busy machine


@pytest.fixture
def choice(tmp_path: Path, miniature_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Choice:
    """The tiny subject, under one strategy."""
    for name, value in tiny(tmp_path, pipeline=miniature_folder).items():
        monkeypatch.setenv(name, value)
    return choose(Request(subjects=["tiny"], strategies=["full"], takes="1"), environment=Environment.current())


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobRunner]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    made = JobRunner()
    yield made
    made.close()


def followed(runner: JobRunner) -> list[News]:
    """All that it tells until the last."""
    told, end = list[News](), time.monotonic() + LONGEST
    while not (told and told[-1].last):
        told += msgspec.json.decode(runner.news(1.0), type=list[News])
        assert time.monotonic() < end
    return told


@on_a_cpu
def test_a_runner_renders_a_case_and_can_be_killed(runner: JobRunner, choice: Choice, tmp_path: Path) -> None:
    """The case comes back whole. A process that was killed is told, and the next case has a new one; a job of another
    machine is refused by it, and where the runner is closed nothing is left."""
    case = next(case for case in choice.cases if case.id == "tiny-full")
    job = job_of(choice, case)
    runner.begin(msgspec.json.encode([case.subject.pipeline]))
    assert runner._process is not None
    begun = runner._process.pid
    runner.start(b"", job)
    assert runner._process.pid == begun, "it imports anew"
    told = followed(runner)
    assert told[-1] == News(ended=True)
    assert any("started" in (each.says or "") for each in told)
    unpack(runner.result(), tmp_path / "here", whence="the runner")
    recipes = {shot.name: shot.recipe for shot in case.shots}
    assert sound_rendering(tmp_path / "here", case.id, recipes=recipes, device="cpu").crash is None

    first = runner._process.pid
    os.kill(first, signal.SIGKILL)
    assert not unsaid(followed(runner)[-1].died, "SIGKILL")

    planned = msgspec.json.decode(job, type=Job)
    runner.start(b"", msgspec.json.encode(replace(planned, machine=replace(planned.machine, id="another-machine"))))
    assert "another-machine" in (followed(runner)[-1].refused or "")
    second = runner._process.pid
    assert second != first
    runner.close()
    assert not Path(f"/proc/{second}").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("fluxgate-fleet-")] == []


def test_a_process_that_died_before_it_had_a_job_is_started_again(runner: JobRunner, choice: Choice) -> None:
    """Its end is no news of the case that comes then."""
    runner.begin(msgspec.json.encode(["FluxPipeline"]))
    assert runner._process is not None
    runner._process.kill()
    runner._process.wait()
    case = next(case for case in choice.cases if case.id == "tiny-full")
    planned = msgspec.json.decode(job_of(choice, case), type=Job)
    runner.start(b"", msgspec.json.encode(replace(planned, machine=replace(planned.machine, id="another-machine"))))
    assert "another-machine" in (followed(runner)[-1].refused or "")


def test_a_process_that_is_killed_while_it_tells_something_is_told_to_have_ended() -> None:
    """Half a line is no news, and whoever waits for the case does not wait for ever."""
    runner = JobRunner("tests.fleet.cut_short")
    try:
        runner.begin(b"[]")
        assert [unsaid(news.died, "SIGKILL") for news in followed(runner)] == [[]]
    finally:
        runner.close()


def test_a_job_has_the_gpus_that_are_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the runner's own, and for that job alone."""
    monkeypatch.setenv(VISIBLE, "3")
    runner = JobRunner("tests.fleet.telling_gpus")
    try:
        said = []
        for lent in (b"0,2", b""):
            runner.start(lent, b"1")
            said.append(followed(runner)[0].says)
        assert (runner.gpus(), said) == (b"3", ["1 3,0,2", "1 3"])
    finally:
        runner.close()


def test_a_node_describes_itself(choice: Choice) -> None:
    """As this process sees it; what is not ready is told by its subject."""
    here = subjects()["tiny"]
    asked = (here, replace(here, name="elsewhere", source="folder:/nowhere"))
    said = msgspec.json.decode(describe(msgspec.json.encode(asked)), type=Description)
    assert (said.machine, said.stack) == (choice.machine, choice.stack)
    assert said.engine == engine_hash()
    assert set(said.pipelines) == {"tiny"}
    assert "/nowhere" in said.unready["elsewhere"]


def test_a_process_ends_with_whoever_has_started_it(tmp_path: Path) -> None:
    """Although nobody has said so: its input has ended."""
    command = [sys.executable, "-m", "fluxgate.fleet.case_process", str(tmp_path / "cases")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 1

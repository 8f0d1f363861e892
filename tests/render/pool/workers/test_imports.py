"""Tests of libraries that cannot be imported: said at once, with the cause, and without a turn on a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.files import read_plain
from fluxgate.render.pool.device_queue import turn
from fluxgate.render.pool.workers import FORK, SPAWN, ImportFailed, Workers
from fluxgate.rendering import Rendering
from tests.render import making
from tests.wording import unsaid

# As diffusers says it, with the cause below.
FAILS = """
try:
    raise ImportError("cannot import name 'X' from 'transformers' (/there/transformers)")
except ImportError as error:
    said = "Failed to import diffusers.pipelines because of the following error (look up to see its traceback):"
    raise RuntimeError(f"{said}\\n{error}") from error
"""
DIES = "import os; os.kill(os.getpid(), 11)"
CAUSE = "ImportError: cannot import name 'X' from 'transformers' (/there/transformers)"

Break = Callable[[str, str], None]


@pytest.fixture
def break_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Break:
    """Puts a library in place of one, for processes that start from now on."""

    def break_library(name: str, code: str) -> None:
        (tmp_path / "broken" / name).mkdir(parents=True)
        (tmp_path / "broken" / name / "__init__.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))

    return break_library


@pytest.mark.parametrize("start", [FORK, SPAWN])
def test_a_library_that_cannot_be_imported_is_one_failure_with_its_cause(break_library: Break, start: str) -> None:
    """Whoever asks whether workers are ready learns it before any case is rendered."""
    break_library("diffusers", FAILS)
    with Workers(start=start) as workers, pytest.raises(ImportFailed) as raised:
        workers.ready()
    crash = raised.value.crash
    assert (crash.kind, crash.sentence) == ("import", f"diffusers cannot be imported: {CAUSE}")
    assert any("Traceback" in line for line in crash.last_lines)


@pytest.mark.parametrize("start", [FORK, SPAWN])
def test_a_library_that_kills_the_process_is_a_failure_to_import(break_library: Break, start: str) -> None:
    """It is named by how the process ended."""
    break_library("torch", DIES)  # the first
    with Workers(start=start) as workers, pytest.raises(ImportFailed) as raised:
        workers.ready()
    crash = raised.value.crash
    assert crash.kind == "import"
    assert not unsaid(crash.sentence, "imported the libraries", "SIGSEGV")


def test_a_case_is_crashed_without_a_turn_where_nothing_can_be_imported(break_library: Break, tmp_path: Path) -> None:
    """Another process may have the device all the while."""
    break_library("torch", FAILS)  # the first
    with Workers() as workers, turn("cpu", case="another"):
        rendering = workers.render(making.case(making.full), tmp_path / "case", source=tmp_path, timeout=60)
    assert rendering.crash is not None
    assert rendering.crash.kind == "import"
    assert read_plain(tmp_path / "case" / "rendering.json", Rendering) == rendering


def test_one_pipeline_that_cannot_be_imported_crashes_its_own_cases_alone(tmp_path: Path) -> None:
    """The others can be rendered, so it is no failure of all."""
    case = making.case(making.raises)
    missing = replace(case, subject=replace(case.subject, pipeline="NoSuchPipeline"))
    with Workers(pipelines=("NoSuchPipeline", "FluxPipeline")) as workers:
        assert set(workers.ready().pipelines) == {"NoSuchPipeline"}
        with turn("cpu", case="another"):
            crash = workers.render(missing, tmp_path / "missing", source=tmp_path, timeout=60).crash
        other = workers.render(case, tmp_path / "other", source=tmp_path, timeout=60).crash
    assert crash is not None
    assert (crash.kind, unsaid(crash.sentence, "NoSuchPipeline", "AttributeError")) == ("import", [])
    assert other is not None
    assert other.sentence == "ValueError: no such thing"


@pytest.mark.long
def test_no_pipeline_that_can_be_imported_is_a_failure_of_all() -> None:
    """There is nothing that could be rendered."""
    with Workers(pipelines=("NoSuchPipeline", "NorThis")) as workers, pytest.raises(ImportFailed, match="NoSuchPip"):
        workers.ready()


def test_a_load_that_fails_gives_the_device_back_at_once(workers: Workers, tmp_path: Path) -> None:
    """Nobody waits after it."""
    workers.render(making.case(making.raises), tmp_path, source=tmp_path, timeout=60)
    with turn("cpu", case="next", report=pytest.fail):
        pass

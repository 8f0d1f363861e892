"""Tests of workers in another environment: what they import, and what of this process they do not."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from fluxgate.cases import Case
from fluxgate.environment import Environment
from fluxgate.render.pool.workers import FORK, SPAWN, ImportFailed, Workers
from fluxgate.rendering import STAGES, Rendering
from tests.render import making
from tests.strategies.named import strategy_named

CASE = replace(making.case(making.full), strategy=strategy_named("full"))


@pytest.fixture(scope="module")
def other(other_python: Path) -> Environment:
    return Environment.at(other_python)


@pytest.fixture(scope="module")
def pair(workers: Workers, other: Environment) -> Iterator[tuple[Workers, Workers]]:
    """Workers here and in the other environment, in one session."""
    with Workers(environment=other, takes=1) as there:
        yield workers, there


def render(workers: Workers, case: Case, folder: Path, source: Path) -> Rendering:
    return workers.render(case, folder, source=source, timeout=300)


@pytest.mark.long
def test_one_session_renders_a_case_in_two_environments(
    pair: tuple[Workers, Workers], other_diffusers: str, tmp_path: Path, miniature_folder: Path
) -> None:
    """With the diffusers that each of them has, and with everything else the same."""
    here, there = (render(workers, CASE, tmp_path / str(i), miniature_folder) for i, workers in enumerate(pair))
    assert (here.crash, there.crash) == (None, None)
    assert here.libraries["diffusers"] == version("diffusers")
    assert there.libraries == {**here.libraries, "diffusers": other_diffusers}
    for rendering in (here, there):
        assert set(STAGES) <= set(rendering.fingerprints_of("one"))
    assert [workers.fallback for workers in pair] == [None, None]


@pytest.mark.long
def test_a_spawned_worker_of_another_environment_imports_what_that_has(
    other: Environment, other_diffusers: str, tmp_path: Path, miniature_folder: Path
) -> None:
    """As a forked one does."""
    with Workers(environment=other, takes=1, start=SPAWN) as workers:
        rendering = render(workers, CASE, tmp_path, miniature_folder)
    assert (rendering.crash, rendering.libraries["diffusers"]) == (None, other_diffusers)


@pytest.mark.long
def test_a_module_of_this_process_alone_is_not_found_in_another_environment(
    pair: tuple[Workers, Workers], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, miniature_folder: Path
) -> None:
    """Neither through sys.path nor through PYTHONPATH; a worker of this environment finds it."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "only_here.py").write_text("def load(site): return site.pipeline().to(site.device)")
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    case = making.case(importlib.import_module("only_here").load)
    here, there = (render(workers, case, tmp_path / str(i), miniature_folder) for i, workers in enumerate(pair))
    assert here.crash is None
    assert there.crash is not None
    missing = "only_here:load cannot be imported: ModuleNotFoundError: No module named 'only_here'"
    assert there.crash.sentence == missing


def test_the_parts_of_a_case_are_done_in_its_environment(
    pair: tuple[Workers, Workers], tmp_path: Path, miniature_folder: Path
) -> None:
    """A strategy whose stages have processes of their own forks them there; the latents of its steps come from one."""
    case = replace(CASE, strategy=strategy_named("staged-processes"))
    rendering = render(pair[1], case, tmp_path, miniature_folder)
    assert rendering.crash is None
    assert rendering.inventory is not None
    assert rendering.inventory.counts["processes"] >= 3
    assert len(rendering.steps) == len(rendering.pictures)


@pytest.mark.parametrize("start", [FORK, pytest.param(SPAWN, marks=pytest.mark.long)])
def test_a_library_that_is_another_than_the_environment_has_is_refused_before_rendering(start: str) -> None:
    """An installation that failed in silence must not pass for the new version."""
    current = Environment.current()
    expected = replace(current, stack={**current.stack, "diffusers": "0.1.0"})
    with Workers(environment=expected, start=start) as workers, pytest.raises(ImportFailed) as raised:
        workers.ready()
    crash, sentence = raised.value.crash, raised.value.crash.sentence
    assert crash.kind == "import"
    assert sentence.startswith(f"diffusers {version('diffusers')} was imported from {os.sep}")
    assert sentence.endswith(f", but {current.python} has 0.1.0 installed")

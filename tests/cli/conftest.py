"""What the tests of the verbs share: a tiny subject, and runs of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.runs.run import create
from tests.outside import NOWHERE, call
from tests.runs import building


@pytest.fixture(scope="session")
def rendered_once(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """The folder of a run that `fluxgate render` has made."""
    home = tmp_path_factory.mktemp("home")
    ended = call(
        "-m", "fluxgate", "render", "--subject=tiny", f"--strategy=model-offload,{NOWHERE}", within=home, **environment
    )
    assert ended.code == 0, ended.out + ended.err
    *_, last = ended.out.splitlines()
    return home / last.removeprefix("The run is in ")


@pytest.fixture
def rendered(rendered_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of that run: a test may leave verdicts in it."""
    return shutil.copytree(rendered_once, tmp_path_factory.mktemp("runs") / rendered_once.name)


@pytest.fixture
def on_a_gpu(tmp_path: Path) -> Path:
    """A folder of runs, of which the latest but one is from a GPU, and holds two cases."""
    root = tmp_path / "runs"
    made = create(root, replace(building.MACHINE, memory=24 << 30), building.STACK, "x", vram_limit=8 * 10**9)
    for name in ("full", "model-offload"):
        found = building.rendering(name, made.case_folder(f"tiny-{name}"))
        reserved = building.PhaseMemory("denoise", 10**9, 2 * 10**9, None, 1)
        building.put(made, replace(found, memory=building.Memory((reserved,), 0, 1, 1, None)))
    create(root, replace(building.MACHINE, device="cpu"), building.STACK, "x")
    return root

"""What the tests of baselines share: where runs and baselines are put, and baselines that were accepted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.baselines.acceptance import accept
from tests.runs.building import run_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where baselines are put."""
    return tmp_path / "baselines"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where runs are put."""
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Baselines with one accepted run in them, which no test changes."""
    root = tmp_path_factory.mktemp("accepted")
    accept(run_of(root / "runs", "full", "nf4"), root / "baselines")
    return root / "baselines"


@pytest.fixture
def own(accepted: Path, root: Path) -> Path:
    """A copy of them, to be damaged."""
    return Path(shutil.copytree(accepted, root))

"""What the tests of baselines share: where runs and baselines are put, and baselines that were accepted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxgate.baselines import local_copy
from fluxgate.baselines.remote import Pointer, Remote
from tests.baselines.acceptance import accept
from tests.runs.building import MACHINE, run_of


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


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache that has nothing, and no pointer that was read before."""
    monkeypatch.setenv("FLUXGATE_CACHE", str(tmp_path / "cache"))
    local_copy.pointer_of.cache_clear()
    yield
    local_copy.pointer_of.cache_clear()


@pytest.fixture
def address(tmp_path: Path) -> str:
    """A store in a folder that several machines could share."""
    return f"file://{tmp_path / 'elsewhere'}"


@pytest.fixture
def published(accepted: Path, address: str) -> Pointer:
    """What the store has: one accepted run of the tiny subject."""
    return Remote(address).publish(MACHINE.id, accepted / MACHINE.id, over=Pointer())

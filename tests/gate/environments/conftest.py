"""A wheelhouse, a cache of this session's own, and an incumbent in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxgate.gate.environments.building import Built, build
from fluxgate.gate.environments.installers import Installer
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.environments.uv import Uv
from fluxgate.subjects import sources
from tests.gate.environments.unzip import Unzip
from tests.gate.environments.wheels import fill

INCUMBENT = Pins.of({"alpha": "1.0", "beta": "1.0", "core": "1.0", "gamma": "1.0"})
UV = shutil.which("uv")


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What everything here is installed from. Tests may add packages of their own, and change none."""
    return fill(tmp_path_factory.mktemp("wheels") / "wheelhouse")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(sources.CACHE, str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which nothing is built yet; the folder of its environments."""
    monkeypatch.setenv(sources.CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "environments"


@pytest.fixture(scope="session")
def pip(wheelhouse: Path) -> Pip:
    return Pip(wheelhouse=wheelhouse)


@pytest.fixture(scope="session")
def unzip(wheelhouse: Path) -> Unzip:
    return Unzip(wheelhouse)


@pytest.fixture(scope="session", params=["pip", *(["uv"] if UV else [])])
def installer(request: pytest.FixtureRequest, wheelhouse: Path) -> Installer:
    """Each installer that is here."""
    return Uv(Path(UV), wheelhouse=wheelhouse) if request.param == "uv" and UV else Pip(wheelhouse=wheelhouse)


@pytest.fixture(scope="session")
def incumbent(pip: Pip) -> Built:
    """An environment with four small packages."""
    built = build(INCUMBENT, installer=pip)
    assert isinstance(built, Built)
    return built

"""A tiny subject, and a cache of environments that the tests of the gate share."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.subjects import sources
from tests.outside import tiny


@pytest.fixture(scope="session")
def gate_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gate-cache")


@pytest.fixture
def tiny_subject(
    tmp_path_factory: pytest.TempPathFactory,
    miniature_folder: Path,
    gate_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """The name of a subject that is rendered in a second, while environments are kept for this session."""
    for name, value in tiny(tmp_path_factory.mktemp("catalogue"), pipeline=miniature_folder).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(sources.CACHE, str(gate_cache))
    return "tiny"

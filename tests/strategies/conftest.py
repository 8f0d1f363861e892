"""What the tests of strategies share: each strategy rendered once."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.strategies.looking import Seen, look, skip_without
from tests.strategies.named import strategy_named

# torch imports it when it compiles. It must come before Python's own distutils, which some test imports: it would warn.
with suppress(ImportError):
    importlib.import_module("setuptools")


@pytest.fixture(scope="module")
def seen(miniature_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Seen]:
    """Each strategy rendered once for all tests of a file, if it can run here."""
    by_name: dict[str, Seen] = {}

    def of(name: str) -> Seen:
        skip_without(name)
        if name not in by_name:
            by_name[name] = look(strategy_named(name), miniature_folder, tmp_path_factory.mktemp(name))
        return by_name[name]

    return of

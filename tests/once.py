"""What takes long to make, made once for all test processes of a session."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fluxgate.locks import held

DONE = "done"


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first of the session's processes fills, while the others wait for it."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / name
    with held(shared / f".{name}.lock", waiting=f"waiting for {name}"):
        if not (folder / DONE).exists():
            shutil.rmtree(folder, ignore_errors=True)  # what another process could not finish
            folder.mkdir()
            make(folder)
            (folder / DONE).touch()
    return folder

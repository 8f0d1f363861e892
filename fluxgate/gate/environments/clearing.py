"""Removes environments that nobody has used for long, from the user's cache."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from fluxgate.gate.environments.building import RECORD, lock_of
from fluxgate.gate.environments.commits import LOCK
from fluxgate.gate.environments.steps import refusing_a_failing_disk
from fluxgate.locks import held

DAY = 86400.0  # seconds
OLD = 60  # days after which an environment goes unless another number is named


def clear(environments: Path, *, days: float) -> int:
    """Remove the environments that were not used for so many days, unless one is being used; how many these were."""
    if not environments.is_dir():
        return 0
    with refusing_a_failing_disk(environments):
        folders = [path for path in sorted(environments.iterdir()) if path.is_dir()]
        return sum(_cleared(folder, before=time.time() - days * DAY) for folder in folders)


def clear_wheels(wheels: Path, *, days: float) -> int:
    """Remove the wheels of commits that were built so many days ago, unless one is being built; how many these were."""
    before = time.time() - days * DAY
    with refusing_a_failing_disk(wheels):
        old = [path for path in sorted(wheels.glob("*/*.whl")) if path.stat().st_mtime <= before]
        return sum(map(_removed, old))


def _removed(wheel: Path) -> bool:
    with suppress(TimeoutError), held(wheel.parent / LOCK, waiting="", timeout=0):
        shutil.rmtree(wheel.parent)
        return True
    return False


def _cleared(folder: Path, *, before: float) -> bool:
    """Whether an environment was old, and is gone."""
    record = folder / RECORD
    if not record.is_file() or record.stat().st_mtime > before:
        return False
    with suppress(TimeoutError), held(lock_of(folder), waiting="", timeout=0):
        # Without its record it is unfinished: whoever is interrupted here leaves nothing that is used.
        record.unlink(missing_ok=True)
        shutil.rmtree(folder)
        lock_of(folder).unlink(missing_ok=True)
        return True
    return False

"""Steps that say beforehand how long they will take, and afterwards how long they took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fluxgate import figures
from fluxgate.files import is_disk_full
from fluxgate.locks import Say
from fluxgate.refusal import Refusal


@contextmanager
def step(doing: str, *, estimate: float, report: Say) -> Iterator[None]:
    """One line before, with an estimate in seconds, and one after, however it ended, unless something was raised."""
    report(f"{doing}: about {estimate:.0f} s")
    started = time.monotonic()
    yield
    report(f"{doing} took {figures.seconds(time.monotonic() - started)}")


@contextmanager
def refusing_a_failing_disk(folder: Path) -> Iterator[None]:
    """Refuse in one sentence when a folder, or what is below it, cannot be written."""
    try:
        yield
    except BrokenPipeError:  # whoever reads the report has gone
        raise
    except OSError as error:
        if is_disk_full(error):
            raise Refusal(f"The disk of {folder} is full; what was unfinished there is removed.") from error
        raise Refusal(f"{error.filename or folder} cannot be read or written: {error.strerror}.") from error

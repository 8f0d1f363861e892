"""Steps that say beforehand how long they will take, and afterwards how long they took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fluxgate import figures
from fluxgate.files import is_disk_full
from fluxgate.gate.environments.durations import expected, note
from fluxgate.locks import Say
from fluxgate.refusal import Refusal


@dataclass
class Timed:
    """A step that is going on."""

    failed: bool = False  # so it says nothing of how long the next one takes


@contextmanager
def step(doing: str, *, kind: str, report: Say) -> Iterator[Timed]:
    """One line before, with what the last steps of this kind took, and one after, however it ended, unless something
    was raised."""
    report(f"{doing}: {expected(kind)}")
    started, timed = time.monotonic(), Timed()
    yield timed
    seconds = time.monotonic() - started
    report(f"{doing} took {figures.seconds(seconds)}")
    if not timed.failed:
        note(kind, seconds)


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

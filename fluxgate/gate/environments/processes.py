"""Programs that are run to their end: their output as text, and nothing left behind when they are interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fluxgate.environment import LEAKS
from fluxgate.gate.environments.steps import refusing_a_failing_disk
from fluxgate.refusal import Refusal

# What leaks from one Python into another, and what keeps bytecode from being written where clones inherit it.
NOT_HANDED_ON = (*LEAKS, "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONSAFEPATH")


@dataclass(frozen=True)
class Finished:
    """A program that has come to its end."""

    code: int | None  # negative: the signal that ended it; None: it did not end in time, and was killed
    output: str  # all that it printed, errors as well

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.code is None:
            return "did not end in time"
        if self.code < 0:
            return f"was ended by {signal.Signals(-self.code).name}"
        return f"ended with exit code {self.code}"


def run(
    command: Iterable[str | Path], *, variables: Mapping[str, str | None] | None = None, timeout: float | None = None
) -> Finished:
    """Run a program; whatever interrupts this ends the program and all that it has started.

    Of `variables`, those that are None are not handed on, and neither is what leaks from one Python into another."""
    arguments = [str(part) for part in command]
    chosen = {**os.environ, **dict.fromkeys(NOT_HANDED_ON), **(variables or {})}
    with refusing_a_failing_disk(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                arguments,
                env={name: value for name, value in chosen.items() if value is not None},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that its children can be ended with it
            )
        except OSError as error:
            raise Refusal(f"{arguments[0]} cannot be started: {error.strerror}.") from error
        try:
            code: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
        output.seek(0)
        return Finished(code, output.read().decode(errors="replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a program's session."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

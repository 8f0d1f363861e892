"""How a worker ended, seen from outside: its exit code, its notes and the last lines of its log."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fluxgate.render.process.notes import Note, last_phase
from fluxgate.rendering import LAST_LINES, Crash, CrashKind

VMSTAT = Path("/proc/vmstat")
LONGEST_LINE = 400


@dataclass
class Ending:
    """What the parent learns of a worker's end."""

    log: Path
    timeout: float
    kills_before: int | None  # the kernel's count of processes killed for want of memory, before the worker began
    code: int | None = None
    timed_out: bool = False
    interrupted: bool = False
    failed_start: str | None = None  # why no worker could be started

    def crash(self, notes: Sequence[Note]) -> Crash | None:
        """The crash that this ending is, or None if the worker did all it was asked to."""
        phase = last_phase(notes)
        noted = next((note.crash for note in notes if note.crash), None)
        if noted is not None:
            return replace(noted, phase=phase)
        kind, sentence = self._kind(any(note.finished for note in notes))
        if kind is None:
            return None
        return Crash(kind, sentence, phase, last_lines(self.log))

    def _kind(self, finished: bool) -> tuple[CrashKind | None, str]:
        if self.interrupted:
            return CrashKind.INTERRUPTED, "the run was interrupted while the worker was at work"
        if self.failed_start is not None:
            return CrashKind.EXCEPTION, self.failed_start
        if self.timed_out:
            return CrashKind.TIMEOUT, f"the worker was not done after {self.timeout:g} s and was killed"
        if self.code is not None and self.code < 0:
            return self._signal(-self.code)
        if self.code == 0 and finished:
            return None, ""
        return CrashKind.EXIT, f"the worker {way_of_ending(self.code)} before it was done"

    def _signal(self, number: int) -> tuple[CrashKind, str]:
        before, after = self.kills_before, kills_for_memory()
        if number == signal.SIGKILL and before is not None and after is not None and after > before:
            sentence = "the system killed the worker because the machine had no memory left (SIGKILL)"
            return CrashKind.OUT_OF_MEMORY, sentence
        return CrashKind.SIGNAL, f"the worker {way_of_ending(-number)}"


def way_of_ending(code: int | None) -> str:
    """What an exit code, or the negative number of a signal, says of a process."""
    return f"was ended by {signal_name(-code)}" if code is not None and code < 0 else f"ended with exit code {code}"


def signal_name(number: int) -> str:
    """What a signal is called."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def kills_for_memory() -> int | None:
    """How many processes the kernel has killed for want of memory since it started; None where it does not count."""
    try:
        lines = VMSTAT.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def last_lines(log: Path) -> tuple[str, ...]:
    """The end of a log file; no lines if there is none."""
    try:
        return last_lines_of(log.read_bytes())
    except OSError:
        return ()


def last_lines_of(output: bytes) -> tuple[str, ...]:
    """The end of what a process has printed, which may be anything."""
    lines = output[-LAST_LINES * LONGEST_LINE * 4 :].decode(errors="replace").splitlines()[-LAST_LINES:]
    return tuple(line[:LONGEST_LINE] for line in lines)

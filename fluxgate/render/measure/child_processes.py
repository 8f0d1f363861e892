"""The processes that this one has started and that still run."""

from __future__ import annotations

from pathlib import Path

PROCESSES = Path("/proc")
# What Python's multiprocessing and torch's compiler keep for the next time, by what is in their command lines.
HELPERS = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver", b"torch/_inductor/compile_worker")


def child_processes() -> set[int] | None:
    """Their ids, without those of helpers that end with this process; None where the system does not tell."""
    try:
        lists = [file.read_bytes() for file in (PROCESSES / "self" / "task").glob("*/children")]
    except OSError:  # of a thread that has just ended, too
        return None
    return {int(pid) for each in lists for pid in each.split() if _runs(PROCESSES / pid.decode())} if lists else None


def _runs(process: Path) -> bool:
    """Whether it does, and is no such helper. One that is dead and only waits to be noticed does not."""
    try:
        status, command = (process / "stat").read_bytes(), (process / "cmdline").read_bytes()
    except OSError:
        return False
    return status.rpartition(b")")[2].split()[0] != b"Z" and not any(helper in command for helper in HELPERS)

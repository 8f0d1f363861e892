"""Memory made by hand, for the tests of the checks of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fluxgate.judge.evidence import Evidence
from fluxgate.rendering import PHASES, Memory, PhaseMemory
from tests.judge.made import evidence, promising, with_rendering

GB = 10**9
THRIFTY = promising("offload", "offloading", reproduces="full", less_memory_than="full")


def memory(allocated: int | None = 5 * GB, *, held: int | None = 0, host: int | None = 2 * GB, **phases: int) -> Memory:
    """Peaks that are alike in all phases but those named; a second take has left nothing."""
    peaks = tuple(
        PhaseMemory(phase, phases.get(phase, allocated), allocated, None if allocated is None else allocated + GB, host)
        for phase in PHASES
    )
    reasons = {"allocated": "there is no GPU", "held_after": "there is no GPU"} if allocated is None else {}
    return Memory(peaks, held, host, host, None, reasons, host_held=0, host_grown=0)


def using(tmp_path: Path, found: Memory | None, **changes: Any) -> Evidence:
    return with_rendering(evidence(tmp_path, THRIFTY, **changes), memory=found)


def on_cpu(found: Evidence, **changes: Any) -> Evidence:
    """The same on a CPU, with other figures of memory."""
    whole = replace(found, case=replace(found.case, device="cpu"))
    return with_rendering(whole, memory=replace(memory(None, held=0), unavailable={}, **changes))

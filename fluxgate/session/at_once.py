"""How many cases share a device at once where a user leaves that open."""

from __future__ import annotations

import os
from collections.abc import Iterable

from fluxgate.machine import Machine
from fluxgate.subjects.subject import Subject

MOST_ON_A_GPU = 8  # the miniature's whole matrix takes 264 s with so many, on an H200 with 16 processors
MOST_ON_A_CPU = 8  # chosen: two at once, on two processors, are all that was measured
BESIDE_A_GPU = 2  # processors for each case: one that asks the GPU, and one for what it starts beside that
WIDENED = 2  # times what a subject says that it needs: in float32 it takes twice as much


def as_many_as_fit(machine: Machine, subjects: Iterable[Subject]) -> int:
    """As many as there are processors and memory for; one where a subject does not say what it needs."""
    needed = [WIDENED * subject.needs.vram for subject in subjects]
    if not needed or not all(needed):
        return 1
    processors = len(os.sched_getaffinity(0))
    if machine.device == "cuda":
        most = min(MOST_ON_A_GPU, processors // machine.count // BESIDE_A_GPU)
    else:
        most = min(MOST_ON_A_CPU, processors)
    return max(1, min(most, machine.memory // max(needed)))

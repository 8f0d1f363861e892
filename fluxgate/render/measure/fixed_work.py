"""Fixed work: a little of what a denoiser does, in which no gated library has a part, timed beside each take.

It says how fast the machine was just then: what others left of the processor, its caches and its clock, and how fast a
CPU asks a GPU for work. A step is judged as a multiple of it, where there is no other strategy to set it against."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

ROUNDS = 5  # of which the middle one counts: one that is interrupted says nothing
TOKENS, WIDTH = 128, 384  # of the miniature's blocks
ASKED = 5_000  # turns of a loop of Python's own: a take on a GPU must not wait for long


def fixed_work(device: str) -> tuple[float, float]:
    """Seconds of one round by the clock, and of the processor in all threads."""
    once = _asking if device == "cuda" else _block()
    once()
    rounds = [_timed(once) for _ in range(ROUNDS)]
    return median(clock for clock, _ in rounds), median(worked for _, worked in rounds)


def _timed(once: Callable[[], object]) -> tuple[float, float]:
    clock, worked = time.perf_counter(), time.process_time()
    once()
    return time.perf_counter() - clock, time.process_time() - worked


def _asking() -> int:
    """Python alone: a GPU's memory, streams and clock are left as they are."""
    names = {str(number): number for number in range(64)}
    return sum(names[str(number % 64)] for number in range(ASKED))


def _block() -> Callable[[], object]:
    """Two products with what comes between them, as in a transformer's block, in the one dtype that every CPU has."""
    import torch

    tokens = torch.full((TOKENS, WIDTH), 0.01)
    wide, narrow = torch.full((WIDTH, 4 * WIDTH), 0.01), torch.full((4 * WIDTH, WIDTH), 0.01)

    def once() -> object:
        with torch.inference_mode():
            hidden = torch.nn.functional.gelu(tokens @ wide)
            return torch.nn.functional.layer_norm(hidden @ narrow, (WIDTH,))

    return once

"""What a training run says while it goes on: a short line every few seconds, and the same figures as a list."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fluxgate.miniature.training.together import rank

if TYPE_CHECKING:
    from torch import Tensor

EVERY = 15.0  # seconds between lines


class Journal:
    """Gathers losses without waiting for the device, and reads them only when a line is due."""

    def __init__(self, *, every: float = EVERY) -> None:
        self.every = every
        self.lines: list[dict[str, Any]] = []
        self.start = self.last = time.monotonic()
        self.stage = ""
        self.samples = 0
        self.pending: dict[str, list[Tensor]] = {}

    def note(self, stage: str, *, step: int, samples: int, **figures: Tensor) -> bool:
        """Take one step's figures; True when a line was due and written."""
        if stage != self.stage:
            self.stage, self.samples, self.pending, self.last = stage, 0, {}, time.monotonic()
        self.samples += samples
        for name, value in figures.items():
            self.pending.setdefault(name, []).append(value.detach())
        now = time.monotonic()
        if now - self.last < self.every:
            return False
        import torch

        means = {name: round(float(torch.stack(values).float().mean()), 4) for name, values in self.pending.items()}
        rate = round(self.samples / (now - self.last), 1)
        line = {"stage": stage, "minutes": round((now - self.start) / 60, 2), "step": step, **means, "pictures_s": rate}
        self.lines.append(line)
        if rank() == 0:
            print(" ".join(f"{name}={value}" for name, value in line.items()), flush=True)
        self.last, self.samples, self.pending = now, 0, {}
        return True

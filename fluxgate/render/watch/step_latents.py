"""Latents after a few steps of a shot, put aside in files until all that is measured is over."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Latents = NDArray[np.float16]

SUFFIX = ".latents.npy"


class StepLatents:
    """Keeps latents in a folder, and not in memory, which is being measured meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, shot: str, step: int, latents: Any) -> None:
        """Put the latents after a step aside. Where the disk is full, there will be no small pictures."""
        import torch

        with suppress(OSError):
            half = latents.detach().to("cpu").to(torch.float16).numpy()
            np.save(self._folder / f"{shot}.{step}{SUFFIX}", half, allow_pickle=False)

    def add_from_process(self, folder: Path) -> None:
        """Take over what another process has put aside."""
        for path in folder.glob(f"*{SUFFIX}"):
            with suppress(OSError):
                shutil.move(path, self._folder / path.name)

    def remove(self) -> None:
        """Take away whatever lies there."""
        for path in self._folder.glob(f"*{SUFFIX}"):
            path.unlink(missing_ok=True)

    def taken(self, shot: str) -> dict[int, Latents]:
        """The latents of a shot by the number of their step, in order; their files are gone afterwards."""
        steps: dict[int, Latents] = {}
        for path in self._folder.glob(f"{shot}.*{SUFFIX}"):
            step = path.name.removeprefix(f"{shot}.").removesuffix(SUFFIX)
            if not step.isdecimal():  # of a shot whose name goes on with a dot
                continue
            with suppress(OSError, ValueError):
                steps[int(step)] = np.load(path, allow_pickle=False)
            path.unlink(missing_ok=True)
        return dict(sorted(steps.items()))

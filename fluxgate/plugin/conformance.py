"""What a conformance test may ask for: the verdict on one check, and the worker's seconds once more."""

from __future__ import annotations

from typing import Protocol


class Verdicts(Protocol):
    """The verdicts on one case."""

    def of(self, check: str) -> None:
        """Return if the check passed; fail, skip or expect the failure as its verdict says."""


class Replay(Protocol):
    """The seconds that the worker measured, run through pytest-benchmark's clock."""

    def step_seconds(self) -> None:
        """Give the seconds of every denoising step to pytest-benchmark, a round each."""

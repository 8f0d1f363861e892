"""Baselines: the pictures and facts that a person has accepted for a machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from suite.rendering import Fingerprint, Inventory

SCHEMA = 1
PORTABLE = "portable"  # stands where a machine's id stands, for pictures compared by likeness


@dataclass(frozen=True)
class Acceptance:
    """Who accepted something, when, from which run, and why."""

    by: str
    at: str  # ISO 8601, UTC
    because: str
    run: str  # the run's name
    commit: str | None
    stack: dict[str, str]


@dataclass(frozen=True)
class AcceptedPicture:
    """One picture that is right for a shot; a shot may have several, each with its own reason."""

    sha256: str  # of the exact array, as in a rendering
    file: str  # a name within the subject's folder
    because: str


@dataclass(frozen=True)
class AcceptedShot:
    """What is accepted for one picture of one shot."""

    shot: str
    index: int
    pictures: tuple[AcceptedPicture, ...]

    def holds(self, sha256: str) -> bool:
        return any(picture.sha256 == sha256 for picture in self.pictures)


@dataclass(frozen=True)
class AcceptedCase:
    """The facts of one case that hold on one machine until somebody accepts others."""

    subject: str
    strategy: str
    machine: str  # an id, or "portable"
    recipes: dict[str, str]  # shot -> hash of the recipe that the pictures were made with
    shots: tuple[AcceptedShot, ...]
    fingerprints: tuple[Fingerprint, ...]  # of the first take
    inventory: Inventory | None
    peaks: dict[str, dict[str, tuple[int, ...]]]  # phase -> figure ("allocated", "host", …) -> bytes, once per run
    held_after: tuple[int, ...]  # bytes on the GPU after freeing, once per run
    seconds: dict[str, tuple[float, ...]]  # phase -> seconds, once per run
    accepted: Acceptance
    schema: int = SCHEMA

    def shot_of(self, shot: str, index: int) -> AcceptedShot | None:
        return next((found for found in self.shots if (found.shot, found.index) == (shot, index)), None)


@dataclass(frozen=True)
class Baseline:
    """An accepted case and the folder that its pictures are in."""

    case: AcceptedCase
    folder: Path

    @property
    def portable(self) -> bool:
        """Whether the pictures come from elsewhere, so that only their likeness counts."""
        return self.case.machine == PORTABLE

    def path_of(self, picture: AcceptedPicture) -> Path:
        return self.folder / picture.file

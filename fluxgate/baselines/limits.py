"""Limits: floors and ceilings, each with where it came from, as they are measured and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SCHEMA = 1
FILE = "limits.json"
FULL = "full"  # the reference of all
FLOAT32 = "full-float32"  # the strategy whose pictures hardly depend on rounding


@dataclass(frozen=True)
class Limit:
    """A floor or a ceiling, and where it came from."""

    value: float
    source: str  # "reproduces: identical", "published", "measured", …
    mean: float | None = None
    spread: float | None = None
    n: int | None = None
    machine: str | None = None
    stack: dict[str, str] = field(default_factory=dict)
    date: str | None = None


@dataclass(frozen=True)
class Band:
    """The values that a measured figure may have: at least the floor, at most the ceiling."""

    floor: Limit | None = None
    ceiling: Limit | None = None

    def broken(self, value: float) -> Limit | None:
        """The limit that the value breaks, or None; a value on a limit keeps it, and NaN breaks any."""
        if self.floor is not None and not value >= self.floor.value:
            return self.floor
        if self.ceiling is not None and not value <= self.ceiling.value:
            return self.ceiling
        return None


def wider(one: Band, other: Band) -> Band:
    """The band that holds all that either holds."""
    floors = [band.floor for band in (one, other) if band.floor]
    ceilings = [band.ceiling for band in (one, other) if band.ceiling]
    return Band(
        floor=min(floors, key=lambda limit: limit.value, default=None),
        ceiling=max(ceilings, key=lambda limit: limit.value, default=None),
    )


@dataclass(frozen=True)
class CaseLimits:
    """All that was measured about one case on one machine; what is empty or None was never measured."""

    likeness: dict[str, Band] = field(default_factory=dict)  # measure -> band, of each picture against its reference
    overall: dict[str, Band] = field(default_factory=dict)  # measure -> band of the mean over all pictures of the case
    drift: dict[str, Band] = field(default_factory=dict)  # measure -> what legal changes of machine or release did
    apart: dict[str, Band] = field(default_factory=dict)  # measure -> what those of machine did, for portable pictures
    memory: dict[str, Band] = field(default_factory=dict)  # phase or "whole" -> allocated bytes on the GPU
    stable: dict[str, Band] = field(default_factory=dict)  # "reserved", … -> its peak over all, where it is stable
    host_load: Band | None = None  # what loading adds to the worker's own memory at most
    host: Band | None = None  # the worker's own peak, bytes
    gives_back: Band | None = None  # bytes that may stay on its device once the pipeline is freed
    published: Limit | None = None  # bytes that somebody else reported, as the driver saw them


@dataclass(frozen=True)
class LikenessLimits:
    """What calibration found for one strategy: bands of its likeness to its reference, and what they let through."""

    likeness: dict[str, Band]
    overall: dict[str, Band]
    unseparated: tuple[str, ...]


UNMEASURED = LikenessLimits({}, {}, ())


@dataclass(frozen=True)
class LimitsFile:
    """The calibrated limits of one subject on one machine."""

    subject: str
    machine: str
    strategies: dict[str, LikenessLimits]
    drift: dict[str, dict[str, Band]]  # between machines: strategy -> measure -> band
    releases: dict[str, dict[str, Band]] = field(default_factory=dict)  # the same, between releases on one machine
    schema: int = SCHEMA

    def apart_of(self, strategy: str) -> dict[str, Band]:
        """How far machines lie apart."""
        return _of(self.drift, strategy)

    def drift_of(self, strategy: str) -> dict[str, Band]:
        """What every legal change was seen to do."""
        return widened(self.apart_of(strategy), _of(self.releases, strategy))

    def has_drift_of(self, strategy: str) -> bool:
        """Whether that was measured of the strategy itself."""
        return strategy in self.drift or strategy in self.releases


def _of(bands: Mapping[str, dict[str, Band]], strategy: str) -> dict[str, Band]:
    """A strategy's bands; `full` stands for those that have none, but for the one that hardly moves."""
    return bands.get(strategy) or ({} if strategy == FLOAT32 else bands.get(FULL, {}))


def widened(before: Mapping[str, Band], new: Mapping[str, Band]) -> dict[str, Band]:
    """Bands that hold all that either hold."""
    return {**before, **{measure: wider(before.get(measure, band), band) for measure, band in new.items()}}

"""Limits: every floor and ceiling, with where it came from, looked up by machine, subject and strategy."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines import manifest
from fluxgate.baselines.store import PORTABLE, Store
from fluxgate.compare.facts import ALLOCATED, DRIVER, HOST, OWN_HOST, RESERVED, WHOLE
from fluxgate.compare.measures import SSIM
from fluxgate.files import parse_plain
from fluxgate.machine import device_of
from fluxgate.refusal import Refusal
from fluxgate.rendering import BEFORE, DECODE, DENOISE, DURING, ENCODE, LOAD, Component, Inventory
from fluxgate.subjects.subject import Subject

SCHEMA = 1
FILE = "limits.json"
LARGEST = 4_000_000  # bytes
SPREADS = 7  # how many spreads above the mean a ceiling stands; bitsandbytes sets its own limits so
ALLOCATOR = 2 * 1024**2  # bytes: torch takes memory from the driver in blocks of 2 MiB
LEAST_SHARE = 0.001  # of an accepted peak: large ones move by more than a block without anybody's doing
STABLE_AFTER = 3  # accepted runs that agree, before what torch reserves or a driver sees is held to anything
FRAGMENTATION = "fragmentation"  # what is reserved and not allocated, beside the figures that are measured
HOST_GRAIN = 64 * 1024**2  # bytes: malloc's arenas come and go in such pieces
OWN_HOST_GRAIN = 16 * 1024**2  # bytes: what loading adds varied by up to 4 MB from run to run
HOST_SPREAD = 0.055  # of the mean: 20 cases of three runs on a CPU, taken together; three samples alone may lie close
ROOM_ELSEWHERE = 1.25  # how much farther from equality a likeness may lie where it was not measured
FEWEST_FOR_HOST = 3  # a host peak is noisy: with fewer samples its spread says nothing

NOISY = (HOST, OWN_HOST)
FULL = "full"  # the reference of all


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

    def loose(self, value: float) -> bool:
        """Whether a value lies as far below the mean as the ceiling lies above it: the ceiling no longer holds it."""
        ceiling = self.ceiling
        if ceiling is None or ceiling.mean is None:
            return False
        return value < 2 * ceiling.mean - ceiling.value


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
    drift: dict[str, dict[str, Band]]  # strategy -> measure -> band; `full` stands for those that have none
    schema: int = SCHEMA

    def drift_of(self, strategy: str) -> dict[str, Band]:
        return self.drift.get(strategy) or self.drift.get(FULL, {})


def for_case(store: Store, machine: str, subject: Subject, strategy: str, *, accepted: bool = True) -> CaseLimits:
    """Every limit for a case on a machine. The portable ones stand in for what was not measured on it, and another
    machine's likeness, with more room, for what is in neither.

    Those of memory come from the accepted facts, which are not read where nobody asks what was accepted."""
    files = [file for place in (machine, PORTABLE) for file in read_limits(store, place, subject.name)]
    lent = [file for place in lenders(store, machine, subject.name) for file in read_limits(store, place, subject.name)]
    candidates = [file.strategies[strategy] for file in files if strategy in file.strategies]
    candidates += [_with_more_room(file.strategies[strategy]) for file in lent if strategy in file.strategies]
    measured = next((one for one in candidates if _same_device(one.likeness, machine)), UNMEASURED)
    own = baselines.read_case(store, machine, subject.name, strategy) if accepted else None
    return CaseLimits(
        likeness=measured.likeness,
        overall=measured.overall,
        drift=next((bands for file in files if _same_device(bands := file.drift_of(strategy), machine)), {}),
        memory=memory_bands(own.case, subject) if own else {},
        stable=stable_bands(own.case) if own else {},
        host=_host_band(own.case, WHOLE, HOST) if own else None,
        host_load=_host_band(own.case, LOAD, OWN_HOST) if own else None,
        gives_back=_held_band(own.case) if own else None,
        published=published(subject, strategy),
    )


def _same_device(bands: Mapping[str, Band], machine: str) -> bool:
    """Whether bands were measured on a CPU for a CPU, or on a GPU for a GPU: neither says anything about the other."""
    limits = [limit for band in bands.values() for limit in (band.floor, band.ceiling) if limit]
    return any(device_of(limit.machine or machine) == device_of(machine) for limit in limits)


def lenders(store: Store, machine: str, subject: str) -> tuple[str, ...]:
    """The other machines that the store knows a subject from: GPUs for a GPU, CPUs for a CPU."""
    others = [other for other in store.machines_of(subject) if other not in (machine, PORTABLE)]
    return tuple(other for other in others if device_of(other) == device_of(machine))


def _with_more_room(limits: LikenessLimits) -> LikenessLimits:
    """Limits of another machine, which tell how alike pictures are here, but not to the digit."""
    return LikenessLimits(
        {measure: _band_with_more_room(band, measure) for measure, band in limits.likeness.items()},
        {measure: _band_with_more_room(band, measure) for measure, band in limits.overall.items()},
        limits.unseparated,
    )


def _band_with_more_room(band: Band, measure: str) -> Band:
    """Farther from what equal pictures have; and where pictures must differ, nearer to it."""
    floor, ceiling = band.floor, band.ceiling
    if floor:
        value = 1 - ROOM_ELSEWHERE * (1 - floor.value) if measure == SSIM else floor.value / ROOM_ELSEWHERE
        floor = replace(floor, value=value, source=f"{floor.source} elsewhere, and a quarter more room")
    if ceiling:
        value = ceiling.value * ROOM_ELSEWHERE
        ceiling = replace(ceiling, value=value, source=f"{ceiling.source} elsewhere, and a quarter more room")
    return Band(floor, ceiling)


def read_limits(store: Store, machine: str, subject: str) -> Iterator[LimitsFile]:
    """The calibrated limits of a subject on a machine, one's own first; a damaged file is refused."""
    for folder in store.folders_with(machine, subject, FILE):
        file = parse_plain(manifest.read_sealed(folder, FILE, LARGEST), LimitsFile, name=str(folder / FILE))
        if (file.machine, file.subject, file.schema) != (machine, subject, SCHEMA):
            raise Refusal(f"{folder / FILE} is damaged: it is of {file.machine}, {file.subject}, schema {file.schema}.")
        yield file


def published(subject: Subject, strategy: str) -> Limit | None:
    """What somebody else reported for a strategy, as a ceiling."""
    figure = subject.published.get(strategy)
    return None if figure is None else Limit(figure * 1e9, source="published")


def memory_bands(case: baselines.AcceptedCase, subject: Subject) -> dict[str, Band]:
    """The allocated peaks as accepted, with the room that they need both ways; what lay on the GPU is the least."""
    peaks = {phase: figures[ALLOCATED] for phase, figures in case.peaks.items() if figures.get(ALLOCATED)}
    lowest = {phase: min(samples) for phase, samples in peaks.items()}
    floors = memory_floors(case.inventory, subject, lowest=lowest) if case.inventory else {}
    bands = {phase: band(samples, figure=ALLOCATED, case=case) for phase, samples in peaks.items()}
    return {
        phase: replace(one, floor=max(filter(None, (one.floor, floors.get(phase))), key=_value, default=None))
        for phase, one in bands.items()
    }


def _value(limit: Limit) -> float:
    return limit.value


def stable_bands(case: baselines.AcceptedCase) -> dict[str, Band]:
    """What torch reserves, what of it is not allocated and what the driver sees, each where accepted runs agree."""
    whole = dict(case.peaks.get(WHOLE, {}))
    reserved, allocated = whole.get(RESERVED, ()), whole.get(ALLOCATED, ())
    if len(reserved) == len(allocated):
        whole[FRAGMENTATION] = tuple(one - other for one, other in zip(reserved, allocated, strict=True))
    return {
        figure: band(samples, figure=figure, case=case)
        for figure in (RESERVED, FRAGMENTATION, DRIVER)
        if len(samples := whole.get(figure, ())) >= STABLE_AFTER and margin(samples, figure=figure) <= _grain(samples)
    }


def memory_floors(inventory: Inventory, subject: Subject, *, lowest: Mapping[str, int]) -> dict[str, Limit]:
    """What must at least be allocated in each phase: the weights that lay on the GPU then. Where less was seen to be
    allocated, they were not there together: stages that load one after another, after the load phase."""
    phases = {
        LOAD: sum(_on_gpu(component, BEFORE) for component in inventory.components.values()),
        ENCODE: max((_during(inventory, name) for name in subject.encoders), default=0),
        DENOISE: _during(inventory, subject.denoiser),
        DECODE: _during(inventory, "vae"),
    }
    held = {phase: size for phase, size in phases.items() if 0 < size <= lowest.get(phase, 0)}
    held |= {WHOLE: max(held.values())} if held else {}
    return {phase: Limit(size, source="inventory: weights on the GPU") for phase, size in held.items()}


def band(samples: tuple[int, ...], *, figure: str, case: baselines.AcceptedCase) -> Band:
    """The accepted value and its room both ways."""
    most = ceiling(samples, figure=figure, case=case)
    least = 2 * (most.mean or 0.0) - most.value
    return Band(replace(most, value=least) if least > 0 else None, most)


def ceiling(samples: tuple[int, ...], *, figure: str, case: baselines.AcceptedCase) -> Limit:
    """The accepted value and its room; one sample has no spread, and it counts as none."""
    spread = statistics.stdev(samples) if len(samples) > 1 else None
    return Limit(
        value=accepted_value(samples, figure=figure) + margin(samples, figure=figure),
        source="measured",
        mean=accepted_value(samples, figure=figure),
        spread=spread,
        n=len(samples),
        machine=case.machine,
        stack=case.accepted.stack,
        date=case.accepted.at[:10],
    )


def accepted_value(samples: tuple[int, ...], *, figure: str) -> float:
    """What was accepted first, which no later sample moves: a mean over all of them would follow a slow creep. The
    host's memory is noisy, so that it takes three."""
    return statistics.fmean(samples[: FEWEST_FOR_HOST if figure in NOISY else 1])


def margin(samples: tuple[int, ...], *, figure: str) -> float:
    """How far a value of this figure may lie from the accepted one: as far as accepted runs did, or by its grain."""
    accepted = accepted_value(samples, figure=figure)
    if figure not in NOISY:
        return max(*(abs(sample - accepted) for sample in samples), _grain(samples))
    spread = statistics.stdev(samples) if len(samples) > 1 else 0.0
    if figure == OWN_HOST:
        return SPREADS * spread + OWN_HOST_GRAIN
    return SPREADS * max(spread, HOST_SPREAD * accepted) + HOST_GRAIN


def _grain(samples: tuple[int, ...]) -> float:
    return max(ALLOCATOR, LEAST_SHARE * samples[0])


def _host_band(case: baselines.AcceptedCase, phase: str, figure: str) -> Band | None:
    samples = case.peaks.get(phase, {}).get(figure, ())
    if len(samples) < FEWEST_FOR_HOST:
        return None
    return Band(ceiling=ceiling(samples, figure=figure, case=case))


def _held_band(case: baselines.AcceptedCase) -> Band | None:
    return Band(ceiling=ceiling(case.held_after, figure=ALLOCATED, case=case)) if case.held_after else None


def _during(inventory: Inventory, name: str) -> int:
    component = inventory.components.get(name)
    return _on_gpu(component, DURING) if component else 0


def _on_gpu(component: Component, moment: str) -> int:
    places = component.placement.get(moment, {})
    return sum(size for place, size in places.items() if place.partition(":")[0] == "cuda")

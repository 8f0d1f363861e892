"""The limits of a case: looked up by machine, subject and strategy, in one's own files and in those of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from fluxgate.baselines import manifest, memory_limits
from fluxgate.baselines.baseline import read_case
from fluxgate.baselines.limits import FILE, SCHEMA, UNMEASURED, Band, CaseLimits, LikenessLimits, Limit, LimitsFile
from fluxgate.baselines.store import PORTABLE, Store
from fluxgate.compare.facts import HOST, OWN_HOST, WHOLE
from fluxgate.compare.measures import SSIM
from fluxgate.files import parse_plain
from fluxgate.machine import device_of
from fluxgate.refusal import Refusal
from fluxgate.rendering import LOAD
from fluxgate.subjects.subject import Subject

LARGEST = 4_000_000  # bytes
ROOM_ELSEWHERE = 1.25  # how much farther from equality a likeness may lie where it was not measured
ELSEWHERE = " elsewhere, and a quarter more room"
# The same, where drift was measured of `full` alone: what is quantized moves further. From transformers 5.17.0 to
# 5.23.0 int8's least alike picture moved 2.4 times as far as full's, and a band has one and a half times the room.
STANDS_IN = 2.0
OF_FULL = ", of full, and twice the room"


def for_case(store: Store, machine: str, subject: Subject, strategy: str, *, accepted: bool = True) -> CaseLimits:
    """Every limit for a case on a machine. The portable ones stand in for what was not measured on it, and another
    machine's likeness and drift, with more room, for what is in neither. Drift of the strategy itself, be it another
    machine's, comes before that of the one that stands in for it: what is quantized moves further.

    Those of memory come from the accepted facts, which are not read where nobody asks what was accepted."""
    files = [file for place in (machine, PORTABLE) for file in read_limits(store, place, subject.name)]
    lent = [file for place in lenders(store, machine, subject.name) for file in read_limits(store, place, subject.name)]
    drifts = [(file, file.drift_of(strategy)) for file in files]
    drifts += [(file, _with_room(file.drift_of(strategy), ROOM_ELSEWHERE, ELSEWHERE)) for file in lent]
    own = [bands for file, bands in drifts if file.has_drift_of(strategy)]
    others = [_with_room(bands, STANDS_IN, OF_FULL) for file, bands in drifts if not file.has_drift_of(strategy)]
    candidates = [file.strategies[strategy] for file in files if strategy in file.strategies]
    candidates += [_lent(file.strategies[strategy]) for file in lent if strategy in file.strategies]
    measured = next((one for one in candidates if _same_device(one.likeness, machine)), UNMEASURED)
    facts = read_case(store, machine, subject.name, strategy) if accepted else None
    return CaseLimits(
        likeness=measured.likeness,
        overall=measured.overall,
        drift=next((bands for bands in (*own, *others) if _same_device(bands, machine)), {}),
        apart=next((bands for file in files if _same_device(bands := file.apart_of(strategy), machine)), {}),
        memory=memory_limits.memory_bands(facts.case, subject) if facts else {},
        stable=memory_limits.stable_bands(facts.case) if facts else {},
        host=memory_limits.host_band(facts.case, WHOLE, HOST) if facts else None,
        host_load=memory_limits.host_band(facts.case, LOAD, OWN_HOST) if facts else None,
        gives_back=memory_limits.held_band(facts.case) if facts else None,
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


def _lent(limits: LikenessLimits) -> LikenessLimits:
    """Limits of another machine, which tell how alike pictures are here, but not to the digit."""
    likeness, overall = (_with_room(bands, ROOM_ELSEWHERE, ELSEWHERE) for bands in (limits.likeness, limits.overall))
    return LikenessLimits(likeness, overall, limits.unseparated)


def _with_room(bands: Mapping[str, Band], times: float, why: str) -> dict[str, Band]:
    return {measure: _band_with_room(band, measure, times, why) for measure, band in bands.items()}


def _band_with_room(band: Band, measure: str, times: float, why: str) -> Band:
    """Farther from what equal pictures have; and where pictures must differ, nearer to it."""
    floor, ceiling = band.floor, band.ceiling
    if floor:
        value = 1 - times * (1 - floor.value) if measure == SSIM else floor.value / times
        floor = replace(floor, value=value, source=f"{floor.source}{why}")
    if ceiling:
        ceiling = replace(ceiling, value=ceiling.value * times, source=f"{ceiling.source}{why}")
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

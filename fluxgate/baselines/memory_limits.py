"""Limits of memory: what was accepted of each peak, and the room that it needs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import replace

from fluxgate.baselines.baseline import AcceptedCase
from fluxgate.baselines.limits import Band, Limit
from fluxgate.compare.facts import ALLOCATED, DRIVER, HOST, OWN_HOST, RESERVED, WHOLE
from fluxgate.machine import device_of
from fluxgate.rendering import BEFORE, DECODE, DENOISE, DURING, ENCODE, LOAD, Component, Inventory
from fluxgate.strategies.effects import GRAPHS
from fluxgate.subjects.subject import Subject

SPREADS = 7  # how many spreads above the mean a ceiling stands; bitsandbytes sets its own limits so
ALLOCATOR = 2 * 1024**2  # bytes: torch takes memory from the driver in blocks of 2 MiB
LEAST_SHARE = 0.001  # of an accepted peak: large ones move by more than a block without anybody's doing
STABLE_AFTER = 3  # accepted runs that agree, before what torch reserves or a driver sees is held to anything
FRAGMENTATION = "fragmentation"  # what is reserved and not allocated, beside the figures that are measured
HOST_GRAIN = 64 * 1024**2  # bytes: malloc's arenas come and go in such pieces
OWN_HOST_GRAIN = 16 * 1024**2  # bytes: what loading adds varied by up to 4 MB from run to run
# Where fewer runs were accepted, twice that, or this share: an H100 and an H200 differed by at most 10 MB in each of 50
# strategies. A copy of what is loaded is more.
OWN_HOST_SHARE = 0.25
# The same where a CPU narrows weights or compiles while it loads: of the same case, malloc's pieces of what is needed
# meanwhile were 96 to 157 MB, of another one 98 to 165 MB.
MADE_HERE_SHARE = 0.75
HOST_SPREAD = 0.055  # of the mean: 20 cases of three runs on a CPU, taken together; three samples alone may lie close
FEWEST_FOR_HOST = 3  # a host peak is noisy: with fewer samples its spread says nothing
NOISY = (HOST, OWN_HOST)


def memory_bands(case: AcceptedCase, subject: Subject) -> dict[str, Band]:
    """The allocated peaks as accepted, with the room that they need both ways; what lay on the GPU is the least."""
    peaks = {phase: figures[ALLOCATED] for phase, figures in case.peaks.items() if figures.get(ALLOCATED)}
    lowest = {phase: min(samples) for phase, samples in peaks.items()}
    floors = memory_floors(case.inventory, subject, lowest=lowest) if case.inventory else {}
    bands = {phase: band(samples, figure=ALLOCATED, case=case) for phase, samples in peaks.items()}
    return {phase: replace(one, floor=_higher(one.floor, floors.get(phase))) for phase, one in bands.items()}


def _higher(*floors: Limit | None) -> Limit | None:
    return max((floor for floor in floors if floor), key=lambda floor: floor.value, default=None)


def stable_bands(case: AcceptedCase) -> dict[str, Band]:
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
        DECODE: _during(inventory, subject.decoder),
    }
    held = {phase: size for phase, size in phases.items() if 0 < size <= lowest.get(phase, 0)}
    held |= {WHOLE: max(held.values())} if held else {}
    return {phase: Limit(size, source="inventory: weights on the GPU") for phase, size in held.items()}


def band(samples: tuple[int, ...], *, figure: str, case: AcceptedCase) -> Band:
    """The accepted value and its room both ways."""
    most = ceiling(samples, figure=figure, case=case)
    least = 2 * (most.mean or 0.0) - most.value
    return Band(replace(most, value=least) if least > 0 else None, most)


def ceiling(samples: tuple[int, ...], *, figure: str, case: AcceptedCase) -> Limit:
    """The accepted value and its room; one sample has no spread, and it counts as none."""
    spread = statistics.stdev(samples) if len(samples) > 1 else None
    return Limit(
        value=accepted_value(samples, figure=figure) + margin(samples, figure=figure, own_share=_own_share(case)),
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


def _own_share(case: AcceptedCase) -> float:
    """Of what loading adds to host memory, where one or two runs were accepted."""
    inventory = case.inventory
    if inventory is None or device_of(case.machine) != "cpu":
        return OWN_HOST_SHARE
    made = any(one.quantized_bytes for one in inventory.components.values()) or inventory.counts.get(GRAPHS, 0)
    return MADE_HERE_SHARE if made else OWN_HOST_SHARE


def margin(samples: tuple[int, ...], *, figure: str, own_share: float = OWN_HOST_SHARE) -> float:
    """How far a value of this figure may lie from the accepted one: as far as accepted runs did, or by its grain."""
    accepted = accepted_value(samples, figure=figure)
    if figure not in NOISY:
        return max(*(abs(sample - accepted) for sample in samples), _grain(samples))
    spread = statistics.stdev(samples) if len(samples) > 1 else 0.0
    if figure == OWN_HOST and len(samples) < FEWEST_FOR_HOST:
        return max(2 * OWN_HOST_GRAIN, own_share * accepted)
    if figure == OWN_HOST:
        return SPREADS * spread + OWN_HOST_GRAIN
    return SPREADS * max(spread, HOST_SPREAD * accepted) + HOST_GRAIN


def _grain(samples: tuple[int, ...]) -> float:
    return max(ALLOCATOR, LEAST_SHARE * samples[0])


def host_band(case: AcceptedCase, phase: str, figure: str) -> Band | None:
    samples = case.peaks.get(phase, {}).get(figure, ())
    if len(samples) < (1 if figure == OWN_HOST else FEWEST_FOR_HOST):
        return None
    return Band(ceiling=ceiling(samples, figure=figure, case=case))


def held_band(case: AcceptedCase) -> Band | None:
    return Band(ceiling=ceiling(case.held_after, figure=ALLOCATED, case=case)) if case.held_after else None


def _during(inventory: Inventory, name: str) -> int:
    component = inventory.components.get(name)
    return _on_gpu(component, DURING) if component else 0


def _on_gpu(component: Component, moment: str) -> int:
    places = component.placement.get(moment, {})
    return sum(size for place, size in places.items() if place.partition(":")[0] == "cuda")

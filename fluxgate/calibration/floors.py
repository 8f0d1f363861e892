"""Floors: limits out of measured likenesses, which let the legal pass and reject the controls, and their margins."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fluxgate.baselines.limits import Band, LikenessLimits, Limit
from fluxgate.calibration.controls import UNTOUCHED
from fluxgate.compare.measures import COLOUR, FLIP, GAIN, MEAN_DIFFERENCE, SHIFT, SSIM

Sample = dict[str, float]  # measure -> its value for one picture against its reference

WIDE = 7.0  # spreads between the legal mean and a limit, where no control asks for less
NARROW = 3.0  # and at the least
LEAST = 1e-6  # of a measure whose logarithm is taken: no difference at all has none
FEWEST = 5  # pictures: a spread of fewer says nothing
# What rounding to 8 bits may move each measure by: where all legal pictures were identical, a limit leaves it room.
GRAIN = {SSIM: 2e-4, FLIP: 2e-3, GAIN: 2e-4, COLOUR: 0.05, SHIFT: 0.005, MEAN_DIFFERENCE: 1e-6}


@dataclass(frozen=True)
class Side:
    """One edge of what is legal: too low or too high a value of a measure."""

    measure: str
    floor: bool
    ratios: bool = False  # a measure that comes near 0 and never falls below it spreads by factors, not by differences

    def badness(self, value: float) -> float:
        """The value, turned so that more is worse."""
        scaled = math.log(max(value, LEAST)) if self.ratios else value
        return -scaled if self.floor else scaled

    def value(self, badness: float) -> float:
        """The value that is so bad."""
        scaled = -badness if self.floor else badness
        if not self.ratios:
            return scaled
        return math.exp(scaled) if scaled > math.log(LEAST) else 0.0


SSIM_FLOOR, FLIP_CEILING = Side(SSIM, floor=True), Side(FLIP, floor=False)
GAIN_CEILING, COLOUR_CEILING, SHIFT_CEILING = (Side(measure, floor=False) for measure in (GAIN, COLOUR, SHIFT))
MUST_DIFFER = Side(MEAN_DIFFERENCE, floor=True, ratios=True)  # what is not changed at all was not quantized either
MAY_DIFFER = Side(MEAN_DIFFERENCE, floor=False)  # but what drifts stays near
SIDES = (SSIM_FLOOR, FLIP_CEILING, GAIN_CEILING, COLOUR_CEILING, SHIFT_CEILING, MUST_DIFFER)


@dataclass(frozen=True)
class Measured:
    """What was measured for one strategy: its legal pictures, and those that must be rejected."""

    subject: str
    strategy: str
    reference: str
    legal: tuple[Sample, ...]
    controls: dict[str, tuple[Sample, ...]]
    pictures: int  # in one run of the case: the mean over so many is judged too


@dataclass(frozen=True)
class Origin:
    """Where and when it was measured, to stand beside each number."""

    machine: str
    stack: dict[str, str] = field(default_factory=dict)
    date: str | None = None


@dataclass(frozen=True)
class Edge:
    """How the legal pictures lie along one side, in badness; of single pictures, or of the means of whole cases."""

    side: Side
    overall: bool
    mean: float
    spread: float
    worst: float
    limit: float

    def narrowed(self, nearest: float) -> float | None:
        """A limit half-way to a control, or None where the two lie too close."""
        middle = max((self.worst + nearest) / 2, self.mean + NARROW * self.spread)
        return middle if middle < nearest else None

    def room(self, nearest: float) -> float:
        """How many spreads lie between the worst legal picture and a control."""
        return (nearest - self.worst) / self.spread if self.spread else math.inf


@dataclass(frozen=True)
class Margin:
    """How one control is told from the legal pictures: by what, and how far either side is from the limit."""

    control: str
    n: int
    rejected: bool
    share: float  # of its single pictures that break a limit
    measure: str | None = None
    overall: bool = False
    limit: float | None = None
    legal: float | None = None  # the legal value nearest to the limit
    nearest: float | None = None  # the control's value nearest to it


@dataclass(frozen=True)
class Finding:
    """The limits found for one strategy, and the table of margins."""

    subject: str
    strategy: str
    reference: str
    n: int
    legal: dict[str, tuple[float, float]]  # measure -> mean and spread
    limits: LikenessLimits
    margins: tuple[Margin, ...]


def find_limits(measured: Measured, origin: Origin) -> Finding | None:
    """Limits that separate; None where there are too few pictures to say anything."""
    if len(measured.legal) < FEWEST:
        return None
    edges = _edges(measured)
    for name in measured.controls:
        edges = _narrowed_for(measured.controls[name], edges, measured.pictures)
    margins = tuple(_margin(name, control, edges, measured.pictures) for name, control in measured.controls.items())
    unseparated = tuple(margin.control for margin in margins if not margin.rejected)
    bands = {level: _bands([e for e in edges if e.overall is level], measured, origin) for level in (False, True)}
    return Finding(
        subject=measured.subject,
        strategy=measured.strategy,
        reference=measured.reference,
        n=len(measured.legal),
        legal={side.measure: _mean_and_spread(_column(measured.legal, side)) for side in SIDES},
        limits=LikenessLimits(bands[False], bands[True], unseparated),
        margins=margins,
    )


def _edges(measured: Measured) -> list[Edge]:
    """The widest limits: seven spreads from the mean, or the worst legal picture where that is farther, and a grain."""
    edges = []
    # What does not quantize need not differ.
    for side in SIDES if UNTOUCHED in measured.controls else SIDES[:-1]:
        values = [side.badness(value) for value in _column(measured.legal, side)]
        mean, spread = _mean_and_spread(values)
        edges.append(_edge(side, False, mean, spread, max(values)))
        if side is not MUST_DIFFER:
            of_means = spread / math.sqrt(measured.pictures)
            own = statistics.fmean(values[: measured.pictures])  # the subject's own shots come first
            edges.append(_edge(side, True, mean, of_means, max(own, mean + NARROW * of_means)))
    return edges


def _edge(side: Side, overall: bool, mean: float, spread: float, worst: float) -> Edge:
    return Edge(side, overall, mean, spread, worst, max(worst, mean + WIDE * spread) + GRAIN[side.measure])


def _narrowed_for(control: tuple[Sample, ...], edges: list[Edge], pictures: int) -> list[Edge]:
    """Move the one limit that has the most room, if the control would pass otherwise."""
    if not control or _rejected(control, edges, pictures):
        return edges
    nearest = {edge: _nearest(control, edge, pictures) for edge in edges}
    able = [edge for edge in edges if edge.narrowed(nearest[edge]) is not None]
    if not able:
        return edges
    best = max(able, key=lambda edge: edge.room(nearest[edge]))
    limit = best.narrowed(nearest[best])
    return [replace(edge, limit=min(edge.limit, limit)) if edge is best and limit else edge for edge in edges]


def _nearest(control: tuple[Sample, ...], edge: Edge, pictures: int) -> float:
    """The badness of the control's best picture, or the best that the mean of a whole case may be."""
    values = [edge.side.badness(value) for value in _column(control, edge.side)]
    if not edge.overall:
        return min(values)
    mean, spread = _mean_and_spread(values)
    return mean - NARROW * spread / math.sqrt(pictures)


def _rejected(control: tuple[Sample, ...], edges: list[Edge], pictures: int) -> bool:
    """Whether each picture of a control breaks a limit, or their mean does."""
    by_mean = any(_nearest(control, edge, pictures) > edge.limit for edge in edges if edge.overall)
    return by_mean or _share(control, edges) == 1


def _share(control: tuple[Sample, ...], edges: Iterable[Edge]) -> float:
    single = [edge for edge in edges if not edge.overall]
    broken = [any(e.side.badness(sample[e.side.measure]) > e.limit for e in single) for sample in control]
    return statistics.fmean(broken)


def _margin(name: str, control: tuple[Sample, ...], edges: list[Edge], pictures: int) -> Margin:
    if not control:
        return Margin(name, n=0, rejected=False, share=0.0)
    nearest = {edge: _nearest(control, edge, pictures) for edge in edges}
    best = max(edges, key=lambda edge: (nearest[edge] > edge.limit, edge.room(nearest[edge])))
    plain = best.side.value
    return Margin(
        control=name,
        n=len(control),
        rejected=_rejected(control, edges, pictures),
        share=_share(control, edges),
        measure=best.side.measure,
        overall=best.overall,
        limit=plain(best.limit),
        legal=plain(best.worst),
        nearest=plain(nearest[best]),
    )


def _bands(edges: list[Edge], measured: Measured, origin: Origin) -> dict[str, Band]:
    """The edges as bands."""
    return {edge.side.measure: _band(edge, len(measured.legal), origin) for edge in edges}


def _band(edge: Edge, n: int, origin: Origin) -> Band:
    mean = edge.side.value(edge.mean)
    limit = Limit(
        value=edge.side.value(edge.limit),
        source="calibrated",
        mean=mean,
        spread=edge.spread * mean if edge.side.ratios else edge.spread,
        n=n,
        machine=origin.machine,
        stack=origin.stack,
        date=origin.date,
    )
    return Band(floor=limit) if edge.side.floor else Band(ceiling=limit)


def drift(samples: Sequence[Mapping[str, float]], origin: Origin, *, source: str) -> dict[str, Band]:
    """What legal changes were seen to do, each measure as far as it went and half as far again."""
    columns = {side: [sample[side.measure] for sample in samples] for side in (*SIDES[:-1], MAY_DIFFER)}
    return {side.measure: _drift_band(side, values, origin, source) for side, values in columns.items() if values}


def _drift_band(side: Side, values: list[float], origin: Origin, source: str) -> Band:
    best = 1.0 if side.measure == SSIM else 0.0
    worst = max(values, key=side.badness)
    mean, spread = _mean_and_spread(values)
    value = best + 1.5 * (worst - best)
    limit = Limit(value, source, mean, spread, len(values), origin.machine, origin.stack, origin.date)
    return Band(floor=limit) if side.floor else Band(ceiling=limit)


def _column(samples: Iterable[Sample], side: Side) -> list[float]:
    return [sample[side.measure] for sample in samples]


def _mean_and_spread(values: list[float]) -> tuple[float, float]:
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0

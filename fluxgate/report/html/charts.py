"""The charts of a page: where bars, marks, lines and labels lie; the template draws them as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.compare.facts import WHOLE
from fluxgate.judge.verdict import CRASHED, NO_DATA, PROMISE
from fluxgate.rendering import DECODE, DENOISE, ENCODE, LOAD, PHASES, Rendering
from fluxgate.report.cards import STANDARD
from fluxgate.report.columns import MEMORY
from fluxgate.report.rows import Row

SHAPES = {LOAD: "triangle", ENCODE: "square", DENOISE: "circle", DECODE: "diamond"}  # phase -> its mark
WIDTH, LABEL, LINE, TOP, FOOT = 860, 210, 20, 26, 30  # of the memory chart, in its own units
TALL, LEFT, RIGHT = 420, 56, 30  # of the chart of seconds against memory
TIMELINE_WIDTH, TIMELINE_HEIGHT = 400, 90
LETTER = 6.4  # units that a letter of a label takes, at the most
TICKS = 6


@dataclass(frozen=True)
class Tick:
    """A line across a chart, and what stands at its end."""

    at: float
    label: str


@dataclass(frozen=True)
class Axes:
    """The lines behind what is measured."""

    ticks: tuple[Tick, ...]
    cards: tuple[Tick, ...]  # GB that cards are sold with


@dataclass(frozen=True)
class Bar:
    """A case in the memory chart: its peak as a bar, and a mark for each phase."""

    case_id: str
    label: str
    y: float
    end: float
    amount: str
    marks: tuple[tuple[str, str, float], ...]  # shape, words, place
    wrong: bool


@dataclass(frozen=True)
class MemoryChart:
    """The peaks of a subject's cases, the smallest first."""

    kind: str  # which memory it is
    height: float
    axes: Axes
    bars: tuple[Bar, ...]
    width: float = WIDTH
    start: float = LABEL


@dataclass(frozen=True)
class Point:
    """A case in the chart of seconds against memory."""

    case_id: str
    label: str
    words: str
    x: float
    y: float
    shape: str  # circle: to the pixel; ring: alike; cross: failed
    text: tuple[float, float, str] | None  # x, y and anchor of its label; None where there is no room for it


@dataclass(frozen=True)
class TradeChart:
    """Seconds against memory, and the line of what nothing else beats in both."""

    axes: Axes
    rows: tuple[Tick, ...]  # seconds
    points: tuple[Point, ...]
    best: str  # the points of a line
    width: float = WIDTH
    height: float = TALL
    left: float = LEFT


@dataclass(frozen=True)
class Step:
    """One phase in the chart of memory over time."""

    phase: str
    x: float
    width: float
    y: float
    height: float
    words: str


def memory_chart(rows: Iterable[Row]) -> MemoryChart | None:
    """The peaks of those rows that have any; None where none has."""
    measured = sorted((row for row in rows if (row.peaks[WHOLE] or 0) > 0), key=lambda row: row.peaks[WHOLE] or 0)
    if not measured:
        return None
    most = max(row.peaks[WHOLE] or 0 for row in measured)
    scale = (WIDTH - LABEL - 70) / most
    bars = tuple(_bar(row, TOP + number * LINE, scale) for number, row in enumerate(measured))
    height = TOP + LINE * len(bars) + FOOT
    return MemoryChart(MEMORY[measured[0].figure], height, _axes(most, scale, LABEL), bars)


def _bar(row: Row, y: float, scale: float) -> Bar:
    peak = row.peaks[WHOLE] or 0
    marks = tuple(
        (SHAPES[phase], f"{phase} {amount(size)}", LABEL + size * scale)
        for phase in PHASES
        if (size := row.peaks[phase]) is not None
    )
    return Bar(row.case_id, row.strategy, y, peak * scale, amount(peak), marks, row.is_wrong)


def trade_chart(rows: Iterable[Row]) -> TradeChart | None:
    """Seconds against memory, of those rows that have both and came to their end."""
    ended = [row for row in rows if CRASHED not in row.statuses.values()]
    measured = [row for row in ended if (row.peaks[WHOLE] or 0) > 0 and (row.seconds or 0) > 0]
    if len(measured) < 2:
        return None
    most, longest = max(row.peaks[WHOLE] or 0 for row in measured), max(row.seconds or 0 for row in measured)
    across, up = (WIDTH - LEFT - RIGHT - 60) / most, (TALL - TOP - FOOT - 10) / longest
    places = {
        row.case_id: (LEFT + (row.peaks[WHOLE] or 0) * across, TALL - FOOT - (row.seconds or 0) * up)
        for row in measured
    }
    best = _unbeaten(measured)
    labels = _labels((*best, *(row for row in measured if row not in best)), places)
    points = tuple(
        Point(row.case_id, row.strategy, _words(row), *places[row.case_id], _shape(row), labels.get(row.case_id))
        for row in measured
    )
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (places[row.case_id] for row in best))
    seconds = tuple(Tick(TALL - FOOT - at * up, f"{at:g} s") for at in ticks(longest))
    return TradeChart(_axes(most, across, LEFT), seconds, points, line)


def _axes(most: float, scale: float, start: float) -> Axes:
    gigabytes = most / 1e9
    return Axes(
        ticks=tuple(Tick(start + at * 1e9 * scale, f"{at:g}") for at in ticks(gigabytes)),
        cards=tuple(Tick(start + card * 1e9 * scale, f"{card}") for card in STANDARD if card <= gigabytes * 1.04),
    )


def ticks(most: float) -> list[float]:
    """Round numbers from 0 to the most, six of them or so."""
    rough = most / TICKS
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= rough)
    return [round(step * number, 12) for number in range(int(most / step) + 1)]


def _unbeaten(rows: Sequence[Row]) -> list[Row]:
    """Those that no other row beats in memory and in seconds, the smallest first; what failed, or was not compared,
    does not count."""
    best: list[Row] = []
    for row in sorted(rows, key=lambda row: (row.peaks[WHOLE] or 0, row.seconds or 0)):
        if not (row.is_wrong or _unknown(row)) and (not best or (row.seconds or 0) < (best[-1].seconds or 0)):
            best.append(row)
    return best


def _labels(rows: Iterable[Row], places: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float, str]]:
    """A place for the label of each point that has room for one, beside, above or below it; the first come first."""
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in places.values()]
    placed = {}
    for row in rows:
        x, y = places[row.case_id]
        wide = len(row.strategy) * LETTER
        for dx, dy, anchor in ((9, 4, "start"), (-9, 4, "end"), (0, -9, "middle"), (0, 17, "middle")):
            left = x + dx - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
            box = (left, y + dy - 10, left + wide, y + dy + 2)
            if box[0] > LEFT and box[2] < WIDTH and not any(_touch(box, other) for other in taken):
                taken.append(box)
                placed[row.case_id] = (x + dx, y + dy, anchor)
                break
    return placed


def _touch(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _shape(row: Row) -> str:
    if row.is_wrong:
        return "cross"
    if _unknown(row):
        return "diamond"
    return "circle" if row.likeness in (None, 1) else "ring"


def _unknown(row: Row) -> bool:
    """Whether it should be like its reference, and was not compared: a run that was cut short has such cases."""
    return row.likeness is None and row.statuses.get(PROMISE) == NO_DATA


def _words(row: Row) -> str:
    like = "" if row.likeness is None else f", likeness {figures.likeness(row.likeness)}"
    return f"{row.strategy}: {amount(row.peaks[WHOLE] or 0)}, {figures.seconds(row.seconds or 0)}{like}"


def timeline(rendering: Rendering, figure: str) -> tuple[Step, ...]:
    """Memory over time: a block for each phase, as wide as it took and as high as its peak. Nothing where either is
    not known."""
    memory = rendering.memory
    seconds = {phase: max(rendering.seconds(phase) or 0.0, 0.0) for phase in PHASES}
    peaks = {phase: max(memory.peak(figure, (phase,)) or 0, 0) if memory else 0 for phase in PHASES}
    if not sum(seconds.values()) or not max(peaks.values()):
        return ()
    return tuple(_steps(seconds, peaks))


def _steps(seconds: Mapping[str, float], peaks: Mapping[str, float]) -> Iterator[Step]:
    least = 3.0  # units: a phase that took no time to speak of is seen all the same
    scale = (TIMELINE_WIDTH - least * len(PHASES)) / sum(seconds.values())
    x = 0.0
    for phase in PHASES:
        wide, high = least + seconds[phase] * scale, peaks[phase] / max(peaks.values()) * TIMELINE_HEIGHT
        words = f"{phase}: {figures.seconds(seconds[phase])}, {amount(peaks[phase])}"
        yield Step(phase, x, wide, TIMELINE_HEIGHT - high, high, words)
        x += wide

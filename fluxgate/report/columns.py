"""The columns of a report's tables: what each is called, what it shows of a row, and what that means."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.compare.facts import ALLOCATED, HOST, WHOLE
from fluxgate.judge.verdict import (
    BASELINE,
    CEILING,
    CRASHED,
    EFFECT,
    FAILED,
    GIVES_BACK,
    INVENTORY,
    KNOWN_FAILURE,
    LESS,
    NO_DATA,
    NOT_SELECTED,
    ORACLE,
    PASSED,
    PROMISE,
    SCENE,
    SPEED,
    TWICE,
    UNSUPPORTED,
    WEIGHTS,
    WORK,
)
from fluxgate.judge.verdict import (
    HOST as HOST_CHECK,
)
from fluxgate.rendering import DECODE, DENOISE, ENCODE, LOAD
from fluxgate.report.rows import Row

# A word for each check, where there is no room for its name.
WORDS = {
    TWICE: "twice",
    PROMISE: "promise",
    BASELINE: "baseline",
    ORACLE: "oracle",
    SCENE: "scene",
    CEILING: "ceiling",
    LESS: "less",
    GIVES_BACK: "gives back",
    HOST_CHECK: "host",
    EFFECT: "effect",
    INVENTORY: "inventory",
    WEIGHTS: "weights",
    WORK: "work",
    SPEED: "speed",
}
SYMBOLS = {
    PASSED: "✓",
    FAILED: "✗",
    CRASHED: "!",
    KNOWN_FAILURE: "k",
    UNSUPPORTED: "–",
    NO_DATA: "?",
    NOT_SELECTED: "·",
}

MEMORY = {ALLOCATED: "allocated on the GPU", HOST: "resident in the worker process"}
PEAKS = "peak memory in GB (1e9 bytes), by phase and overall, {memory}"


@dataclass(frozen=True)
class Column:
    """A figure of each row: in a few characters for a terminal, and with its unit where there is room."""

    heading: str
    title: str
    meaning: str
    value: Callable[[Row], float | None]
    brief: Callable[[float], str]
    full: Callable[[float], str]
    rank: int = 0  # where there is no room for all, the highest is left out first; 0 stays

    def cell(self, row: Row, show: Callable[[float], str]) -> str:
        """What the column shows of a row; empty where there is no figure."""
        value = self.value(row)
        return "" if value is None else show(value)


def _of_phase(phase: str, *, rank: int) -> Column:
    return Column(phase, f"peak, {phase}", PEAKS, lambda row: row.peaks[phase], _gigabytes, amount, rank)


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.2f}"


FIGURES = (
    _of_phase(LOAD, rank=5),
    _of_phase(ENCODE, rank=6),
    _of_phase(DENOISE, rank=3),
    _of_phase(DECODE, rank=4),
    Column("peak", "peak, whole", PEAKS, lambda row: row.peaks[WHOLE], _gigabytes, amount, rank=1),
    Column(
        "time",
        "seconds",
        "loading and the first take of each shot",
        lambda row: row.seconds,
        figures.brief,
        figures.seconds,
    ),
    Column(
        "SSIM",
        "likeness",
        "similarity to the reference, of the picture least like it; 1 is to the pixel",
        lambda row: row.likeness,
        lambda likeness: figures.likeness(likeness, digits=3),
        figures.likeness,
    ),
    Column(
        "card",
        "card",
        "the smallest standard card that it ran on, in GB",
        lambda row: row.card,
        lambda card: f"{card:.0f}",
        lambda card: f"{card:.0f} GB",
        rank=2,
    ),
)
# The driver's figure is shown only beside what somebody else reported, who read it there.
BESIDE = (
    Column(
        "driver",
        "peak, driver",
        "the peak as the driver saw it",
        lambda row: row.driver,
        _gigabytes,
        amount,
    ),
    Column(
        "published",
        "published",
        "the peak that somebody else published",
        lambda row: row.published,
        _gigabytes,
        amount,
    ),
)


def columns_of(rows: Iterable[Row]) -> tuple[Column, ...]:
    """The columns that have a figure of any of these rows."""
    rows = tuple(rows)
    return tuple(column for column in FIGURES if any(column.value(row) is not None for row in rows))


def meanings(columns: Iterable[Column], rows: Iterable[Row]) -> list[str]:
    """What each of these columns shows of these rows."""
    memory = " and ".join(sorted({MEMORY[row.figure] for row in rows if row.peaks[WHOLE] is not None}))
    return [column.meaning.format(memory=memory) for column in columns]


def legend(columns: Iterable[Column], rows: Iterable[Row], *, titles: bool = False) -> list[str]:
    """What these columns show, a line for those that mean the same."""
    columns = tuple(columns)
    by_meaning: dict[str, list[str]] = {}
    for column, meaning in zip(columns, meanings(columns, rows), strict=True):
        by_meaning.setdefault(meaning, []).append(column.title if titles else column.heading)
    between = " · " if titles else ", "
    return [f"{between.join(names)}: {meaning}" for meaning, names in by_meaning.items()]

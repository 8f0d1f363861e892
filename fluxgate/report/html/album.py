"""The album of a page: every picture of every case beside what it is held against, the least alike first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path

from fluxgate import figures
from fluxgate.compare.facts import Source
from fluxgate.compare.likeness import mismatch
from fluxgate.judge.verdict import Verdict
from fluxgate.refusal import Refusal
from fluxgate.report.html.pairs import PagePair, pairs_by_case
from fluxgate.report.html.pictures import (
    EDGE,
    Apart,
    Printed,
    Whole,
    apart,
    file_of,
    gap_of,
    id_of,
    printed,
    printed_difference,
    printed_map,
)
from fluxgate.report.html.sides import Sides

MANY, SMALLER = 1000, 192  # pictures of a page: where there are more, their longer edge has so many pixels
MOST_MAPS = 24  # FLIP maps of a page: each takes a tenth of a second
THREADS = 4
REMEMBERED = 48  # pictures that stay in memory for a while: references are compared again and again


@dataclass(frozen=True)
class Comparison:
    """A pair that was looked at."""

    pair: PagePair
    apart: Apart | None = None  # None: nothing to compare with, no way to compare, or no difference
    trouble: str | None = None
    difference: str | None = None  # the id of its picture
    gain: int = 1  # how many times as strong that is
    map: str | None = None  # the id of its FLIP map

    @property
    def identical(self) -> bool:
        return self.pair.expected is not None and self.trouble is None and self.apart is None

    @property
    def sentence(self) -> str:
        """How far it is off, or why that cannot be said."""
        if self.trouble is not None:
            return self.trouble
        if self.pair.expected is None:
            return "nothing to be compared with"
        if self.apart is None:
            return f"the same as {self.pair.against}, to the pixel"
        share, mean = figures.percent(self.apart.changed), f"{self.apart.mean:.2g}"
        return f"{share} of the pixels differ, by {mean}/255 on average, by {self.apart.most}/255 at most"

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """For sorting what must be looked at first."""
        return not self.pair.wrong, self.trouble is None, -(self.apart.mean if self.apart else 0.0)


@dataclass(frozen=True)
class Album:
    """All pictures of a page, and how those of each case compare."""

    comparisons: Mapping[str, tuple[Comparison, ...]] = field(default_factory=dict)  # case -> what to look at first
    printed: Mapping[str, Printed] = field(default_factory=dict)  # id -> the picture within the page
    whole: Mapping[str, Path] = field(default_factory=dict)  # name of a picture beside the page -> where it lies now


def album(
    sides: Sides,
    verdicts: Iterable[Verdict],
    *,
    whole: Whole = Whole.BESIDE,
) -> Album:
    """Every picture of every case."""
    pairs = pairs_by_case(sides, verdicts)
    sources = {source for of_case in pairs.values() for pair in of_case for source in pair.sources}
    edge = SMALLER if whole is Whole.NOWHERE or len(sources) > MANY else EDGE
    reader = _Reader(edge, whole=whole)
    with ThreadPoolExecutor(THREADS) as pool:
        compared = dict(zip(pairs, pool.map(reader.compare, pairs.values()), strict=True))
        far = _worth_a_map(compared.values())
        maps = dict(zip(far, pool.map(reader.map, far), strict=True))
    prints = {**reader.prints, **{one.id: one for one in maps.values()}}
    return Album(
        comparisons={
            case_id: tuple(replace(one, map=maps[one].id) if one in maps else one for one in of_case)
            for case_id, of_case in compared.items()
        },
        printed=dict(sorted(prints.items())),  # whichever thread came first
        whole={file_of(source): source.path for source in sources if whole is Whole.BESIDE and id_of(source) in prints},
    )


def _worth_a_map(compared: Iterable[list[Comparison]]) -> list[Comparison]:
    """The pairs that get a FLIP map: the first of each case, then the second of each, as far as the time allows."""
    turns = zip_longest(*([one for one in of_case if one.apart] for of_case in compared))
    ordered = (one for turn in turns for one in sorted(filter(None, turn), key=lambda one: one.rank))
    return list(dict.fromkeys(ordered))[:MOST_MAPS]


class _Reader:
    """Reads pictures, prints each once, and compares them; several threads share it."""

    def __init__(self, edge: int, *, whole: Whole) -> None:
        self.prints: dict[str, Printed] = {}
        self._edge = edge
        self._whole = whole
        self._pixels = lru_cache(maxsize=REMEMBERED)(lambda source: source.read())

    def compare(self, pairs: Iterable[PagePair]) -> list[Comparison]:
        """What must be looked at first comes first."""
        return sorted(map(self._compare, pairs), key=lambda one: one.rank)

    def _compare(self, pair: PagePair) -> Comparison:
        unread = [refusal for source in pair.sources if (refusal := self._print(source))]
        if unread:
            return Comparison(pair, trouble=f"cannot be compared: {unread[0]}")
        if pair.expected is None or pair.expected == pair.actual:
            return Comparison(pair)
        one, other = self._pixels(pair.expected), self._pixels(pair.actual)
        unlike = mismatch(one, other)
        if unlike:
            return Comparison(pair, trouble=unlike)
        gap = gap_of(one, other)
        drawn, gain = printed_difference(pair.expected, pair.actual, gap, edge=self._edge)
        self.prints[drawn.id] = drawn
        return Comparison(pair, apart(one, other, gap), difference=drawn.id, gain=gain)

    def _print(self, source: Source) -> Refusal | None:
        """Why a picture cannot be read."""
        if id_of(source) in self.prints:
            return None
        try:
            self.prints[id_of(source)] = printed(source, self._pixels(source), edge=self._edge, whole=self._whole)
        except Refusal as refusal:
            return refusal
        return None

    def map(self, comparison: Comparison) -> Printed:
        """The FLIP map of a pair that can be compared."""
        expected, actual = comparison.pair.expected or comparison.pair.actual, comparison.pair.actual
        one, other = self._pixels(expected), self._pixels(actual)
        return printed_map(expected, actual, one=one, other=other, edge=self._edge)

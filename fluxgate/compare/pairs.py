"""Pairs: each picture of one side beside the picture that was expected, and how alike they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from fluxgate.compare.facts import Facts, Key, Source
from fluxgate.compare.likeness import IDENTICAL, Likeness, coarse, first_change, likeness_of, mismatch, similarity
from fluxgate.pictures import Pixels
from fluxgate.refusal import Refusal

# Comparing two pictures takes a second for each million pixels, and several checks ask about the same two.
MOST_REMEMBERED = 4096  # comparisons; each is a few hundred bytes


@dataclass(frozen=True)
class Pair:
    """An expected and an actual picture of one shot: how alike they are, or why they cannot be compared."""

    shot: str
    index: int
    expected: Source | None  # None: nothing is expected of this picture
    actual: Source
    likeness: Likeness | None
    trouble: str | None = None
    first: tuple[int, int] | None = None  # row and column of the first pixel that differs

    @property
    def key(self) -> Key:
        return self.shot, self.index

    @property
    def identical(self) -> bool:
        return self.likeness is not None and self.likeness.identical

    @property
    def shown(self) -> bool:
        """Whether there is an expected picture to look at."""
        return self.expected is not None and self.expected.kept

    @property
    def alike(self) -> float:
        """For sorting the worst pair first: one that cannot be compared is the worst."""
        return -2.0 if self.likeness is None else self.likeness.ssim


def pairs_of(expected: Facts, actual: Facts, *, only: Iterable[Key] | None = None) -> tuple[Pair, ...]:
    """Every picture of the actual side, or only some of them, beside the expected one."""
    wanted = actual.pictures if only is None else {key: actual.pictures[key] for key in only}
    return tuple(pair_up(key, expected.pictures.get(key, ()), one) for key, (one, *_) in wanted.items())


def pair_up(key: Key, expected: Iterable[Source], actual: Source) -> Pair:
    """A picture beside the one that is most like it among those that are right."""
    choices = tuple(expected)
    if actual in choices:
        return Pair(*key, choices[choices.index(actual)], actual, IDENTICAL)
    nothing = Pair(*key, None, actual, None, "has nothing to be compared with")
    return max((_pair(key, choice, actual) for choice in choices), key=lambda pair: pair.alike, default=nothing)


def _pair(key: Key, expected: Source, actual: Source) -> Pair:
    """Two pictures compared, whatever their files hold."""
    if not expected.kept:
        return Pair(*key, expected, actual, None, "is another one than was accepted, of which only the hash was kept")
    try:
        for source in (expected, actual):
            source.read()  # each time: a file may be damaged, whatever the same hash has shown elsewhere
        likeness, trouble, first = _compared(expected, actual)
    except Refusal as refusal:
        likeness, trouble, first = None, f"cannot be compared: {refusal}".rstrip("."), None
    return Pair(*key, expected, actual, likeness, trouble, first)


@lru_cache(maxsize=MOST_REMEMBERED)
def _compared(expected: Source, actual: Source) -> tuple[Likeness | None, str | None, tuple[int, int] | None]:
    """Likeness, trouble and first difference; remembered by the hashes of the two pictures."""
    one, other = expected.read(), actual.read()
    trouble = mismatch(one, other)
    return (None, trouble, None) if trouble else (likeness_of(one, other), None, first_change(one, other))


@dataclass(frozen=True)
class Rival:
    """A picture that is more like what was expected of another shot than like what was expected of its own."""

    pair: Pair
    other: Key


def closer_to_another_shot(expected: Facts, pairs: Iterable[Pair]) -> Rival | None:
    """The first picture that is more like another expected picture than its own."""
    coarsely = {key: coarse(first.read()) for key, (first, *_) in expected.pictures.items()}
    for pair in pairs:
        if pair.likeness is not None and not pair.identical:
            other = _rival(pair.key, coarse(pair.actual.read()), coarsely)
            if other:
                return Rival(pair, other)
    return None


def _rival(key: Key, actual: Pixels, expected: Mapping[Key, Pixels]) -> Key | None:
    """An expected picture that this one resembles more than its own, and that is not its own's twin."""
    own = expected[key]
    near = similarity(own, actual)
    for other, pixels in expected.items():
        comparable = other != key and pixels.shape == actual.shape
        if comparable and similarity(pixels, actual) > near > similarity(pixels, own):
            return other
    return None

"""Measuring: how alike a strategy's pictures are to its reference's, and how alike those are that must be rejected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from fluxgate.calibration import controls
from fluxgate.calibration.floors import Measured, Sample
from fluxgate.calibration.variations import Variations
from fluxgate.cases import Case
from fluxgate.compare.likeness import Likeness, likeness_of, mismatch
from fluxgate.pictures import Pixels
from fluxgate.runs.rendered import Rendered
from fluxgate.subjects.subject import Shot

Pair = tuple[Pixels, Pixels]  # the reference's picture, and the one that is held against it


@dataclass(frozen=True)
class Sides:
    """The renderings that a strategy is measured by."""

    expected: Rendered  # of its reference
    actual: Rendered
    coarse: Rendered | None  # of its coarser control; None where it does not quantize

    @property
    def quantizes(self) -> bool:
        return self.coarse is not None


def measure(case: Case, variations: Variations, sides: Sides, *, pool: Executor) -> Measured:
    """Likenesses of the legal pictures, and of every control."""

    def likenesses(pairs: Iterable[Pair]) -> list[Future[Likeness]]:
        """One for each pair; what cannot be compared at all is rejected without a limit."""
        return [pool.submit(likeness_of, *pair) for pair in pairs if mismatch(*pair) is None]

    legal = likenesses(pair for shot in variations.legal for pair in _legal(shot, sides))
    by_control: dict[str, list[Future[Likeness]]] = {name: [] for name in controls.names(quantizes=sides.quantizes)}
    for number, shot in enumerate(variations.with_controls):
        for name, pairs in _controls(number, shot, variations, sides):
            if name in by_control:
                by_control[name] += likenesses(pairs)
    return Measured(
        subject=case.subject.name,
        strategy=case.strategy.name,
        reference=str(case.strategy.promise.approximates),
        legal=_samples(legal),
        controls={name: _samples(measured) for name, measured in by_control.items()},
        pictures=sum(shot.pictures for shot in case.shots),
    )


def _legal(shot: Shot, sides: Sides) -> list[Pair]:
    """A legal shot's pictures; none where a slow strategy leaves a long shot out."""
    return list(zip(sides.expected.pixels(shot.name), sides.actual.pixels(shot.name), strict=False))


def _controls(number: int, shot: Shot, variations: Variations, sides: Sides) -> Iterator[tuple[str, list[Pair]]]:
    """What each control makes of one legal shot."""
    legal = _legal(shot, sides)
    for name, spoil in controls.SPOILS.items():
        yield name, [(expected, spoil(actual, expected)) for expected, actual in legal]
    for name in controls.ASKED:
        if (name, number) in variations.others:
            other = sides.actual.pixels(variations.others[name, number].name)
            yield name, [(expected, pixels) for (expected, _), pixels in zip(legal, other, strict=False)]
    if sides.coarse:
        coarse = sides.coarse.pixels(shot.name)
        yield controls.COARSE, [(expected, pixels) for (expected, _), pixels in zip(legal, coarse, strict=False)]


def _samples(measured: Iterable[Future[Likeness]]) -> tuple[Sample, ...]:
    return tuple(future.result().measures() for future in measured)

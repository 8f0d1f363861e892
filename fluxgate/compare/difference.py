"""Difference: all that sets what was rendered apart from what was expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from fluxgate.compare.facts import FIGURES, WHOLE, Facts, Key
from fluxgate.compare.inventory import ComponentChange, component_changes
from fluxgate.compare.noise_levels import ScheduleMismatch, schedule_mismatches
from fluxgate.compare.pairs import Pair, pairs_of
from fluxgate.compare.stages import StageDifference, first_difference
from fluxgate.compare.work import WorkChange, work_changes
from fluxgate.rendering import PHASES


@dataclass(frozen=True)
class PeakChange:
    """A peak of memory, the mean where there are several runs; None where a side was not measured."""

    phase: str  # or "whole"
    figure: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class SecondsChange:
    """The seconds of a phase, the mean where there are several runs; None where a side was not measured."""

    phase: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class StackChange:
    """A library of another version; None where a side does not have it."""

    library: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Difference:
    """What is not the same on the two sides; pictures, memory and seconds are told of whether or not they differ."""

    pictures: tuple[Pair, ...]  # every picture of the actual side
    missing: tuple[Key, ...]  # pictures that only the expected side has
    recipes: tuple[str, ...]  # shots that were not rendered from the same recipe, so that they cannot be compared
    stages: tuple[StageDifference, ...]  # for each shot, the first stage that differs
    inventory: tuple[ComponentChange, ...]
    noise_levels: tuple[ScheduleMismatch, ...]
    memory: tuple[PeakChange, ...]
    seconds: tuple[SecondsChange, ...]
    stack: tuple[StackChange, ...]
    work: tuple[WorkChange, ...] = ()  # what is most telling first


def compare(expected: Facts, actual: Facts) -> Difference:
    """The difference between two sides, each rendered or accepted."""
    pictures = pairs_of(expected, actual)
    moved = {pair.shot for pair in pictures if not pair.identical}
    return Difference(
        pictures=pictures,
        missing=tuple(key for key in expected.pictures if key not in actual.pictures),
        recipes=other_recipes(expected, actual),
        stages=tuple(stage_differences(expected, actual, {shot: shot in moved for shot in actual.fingerprints})),
        inventory=component_changes(expected.inventory, actual.inventory),
        noise_levels=schedule_mismatches(expected.noise_levels, actual.noise_levels),
        memory=tuple(_peaks(expected, actual)),
        seconds=tuple(_seconds(expected, actual)),
        stack=tuple(_stack(expected.stack, actual.stack)),
        work=work_changes(expected.work, actual.work),
    )


def other_recipes(expected: Facts, actual: Facts) -> tuple[str, ...]:
    """The shots that both sides have, from different recipes."""
    return tuple(shot for shot, recipe in actual.recipes.items() if expected.recipes.get(shot, recipe) != recipe)


def stage_differences(expected: Facts, actual: Facts, moved: Mapping[str, bool]) -> Iterator[StageDifference]:
    """The first stage that differs, of each of the shots; `moved` says whether its finished pictures differ."""
    for shot, its_pictures_moved in moved.items():
        theirs, ours = expected.fingerprints.get(shot, {}), actual.fingerprints.get(shot, {})
        difference = first_difference(shot, theirs, ours, moved=its_pictures_moved)
        if difference:
            yield difference


def _peaks(expected: Facts, actual: Facts) -> Iterator[PeakChange]:
    for phase in (*PHASES, WHOLE):
        before, after = expected.peaks.get(phase, {}), actual.peaks.get(phase, {})
        for figure in FIGURES:
            if figure in before or figure in after:
                yield PeakChange(phase, figure, _mean(before.get(figure)), _mean(after.get(figure)))


def _seconds(expected: Facts, actual: Facts) -> Iterator[SecondsChange]:
    for phase in PHASES:
        if phase in expected.seconds or phase in actual.seconds:
            yield SecondsChange(phase, _mean(expected.seconds.get(phase)), _mean(actual.seconds.get(phase)))


def _mean(samples: tuple[float, ...] | None) -> float | None:
    return fmean(samples) if samples else None


def _stack(expected: Mapping[str, str], actual: Mapping[str, str]) -> Iterator[StackChange]:
    for library in sorted(expected.keys() | actual.keys()):
        before, after = expected.get(library), actual.get(library)
        if before != after:
            yield StackChange(library, before, after)

"""Which pictures stand beside which: a case's beside the expected ones, and whatever a check failed by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from fluxgate.compare.facts import Source, source_of
from fluxgate.judge.verdict import BASELINE, TWICE, Verdict
from fluxgate.pictures import hash_of, read_png
from fluxgate.refusal import Refusal
from fluxgate.report.html.sides import Sides

AGAINST = {TWICE: "its first take", BASELINE: "what was accepted"}


@dataclass(frozen=True)
class PagePair:
    """A picture of a case, and what it is held against, if anything."""

    shot: str
    index: int
    against: str  # "full", "what was accepted"; empty where there is nothing
    expected: Source | None
    actual: Source
    wrong: bool = False  # a check failed by it
    labels: tuple[str, str] = ("expected", "actual")  # what the two are called

    @property
    def caption(self) -> str:
        """What stands below the expected one."""
        expected = self.labels[0]
        return f"{expected} ({self.against})" if self.labels == PagePair.labels else expected

    @property
    def sources(self) -> tuple[Source, ...]:
        return (self.actual,) if self.expected is None else (self.expected, self.actual)


def pairs_by_case(sides: Sides, verdicts: Iterable[Verdict]) -> dict[str, list[PagePair]]:
    """Every picture beside the expected one, second takes that came out otherwise, and whatever a check failed by."""
    pairs = {case_id: list(_pairs(case_id, sides)) for case_id in sides.rendered}
    for verdict in verdicts:
        if verdict.case_id in pairs and {"expected", "actual"} <= verdict.pictures.keys():
            pairs[verdict.case_id] = _with_verdict(pairs[verdict.case_id], verdict, sides.folder)
    return pairs


def _pairs(case_id: str, sides: Sides) -> Iterator[PagePair]:
    ours, held_against = sides.rendered[case_id], sides.held_against.get(case_id)
    theirs = held_against.rendered.rendering.pictures_of() if held_against else {}
    second = ours.rendering.pictures_of(1)
    for key, picture in ours.rendering.pictures_of().items():
        actual = source_of(picture, ours.folder)
        if held_against and key in theirs:
            expected = source_of(theirs[key], held_against.rendered.folder)
            wrong = case_id in sides.bad and expected != actual
            yield PagePair(*key, held_against.name, expected, actual, wrong=wrong, labels=sides.labels)
        else:
            yield PagePair(*key, "", None, actual)
        if key in second and second[key].sha256 != picture.sha256:
            yield PagePair(*key, AGAINST[TWICE], actual, source_of(second[key], ours.folder), wrong=True)


def _with_verdict(pairs: list[PagePair], verdict: Verdict, run: Path) -> list[PagePair]:
    """The pairs with the one that a verdict is about marked, or added."""
    expected, actual = (_within(run, verdict.pictures[side]) for side in ("expected", "actual"))
    of_actual = [pair for pair in pairs if pair.actual.path == actual]
    if expected is None or not of_actual:
        return pairs
    named = [pair for pair in of_actual if pair.expected and pair.expected.path == expected]
    if named:
        return [replace(pair, wrong=True) if pair in named else pair for pair in pairs]
    try:
        pixels = read_png(expected)
    except Refusal:  # the verdict tells of it
        return pairs
    source = Source(hash_of(pixels), expected, lambda: read_png(expected))
    against = AGAINST.get(verdict.check, "what was expected")
    return [*pairs, replace(of_actual[0], against=against, expected=source, wrong=True)]


def _within(run: Path, name: str) -> Path | None:
    """A file of the run; verdicts are read from a file, and may name others."""
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts:
        return None
    return run / inside

"""Which pictures stand beside which: a case's beside its reference's, and whatever a check failed by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from fluxgate.compare.facts import Source, source_of
from fluxgate.judge.verdict import BASELINE, TWICE, Verdict
from fluxgate.pictures import hash_of, read_png
from fluxgate.refusal import Refusal
from fluxgate.runs.rendered import Rendered

AGAINST = {TWICE: "its first take", BASELINE: "what was accepted"}


@dataclass(frozen=True)
class Pair:
    """A picture of a case, and what it is held against, if anything."""

    shot: str
    index: int
    against: str  # "full", "what was accepted"; empty where there is nothing
    expected: Source | None
    actual: Source
    wrong: bool = False  # a check failed by it

    @property
    def sources(self) -> tuple[Source, ...]:
        return (self.actual,) if self.expected is None else (self.expected, self.actual)


def pairs_by_case(
    rendered: Mapping[str, Rendered], references: Mapping[str, str], verdicts: Iterable[Verdict], run: Path
) -> dict[str, list[Pair]]:
    """Every picture beside the reference's, second takes that came out otherwise, and whatever a check failed by."""
    pairs = {case_id: list(_pairs(one, rendered.get(references.get(case_id, "")))) for case_id, one in rendered.items()}
    for verdict in verdicts:
        if verdict.case_id in pairs and {"expected", "actual"} <= verdict.pictures.keys():
            pairs[verdict.case_id] = _with_verdict(pairs[verdict.case_id], verdict, run)
    return pairs


def _pairs(ours: Rendered, reference: Rendered | None) -> Iterator[Pair]:
    theirs = reference.rendering.pictures_of() if reference else {}
    against = reference.rendering.strategy if reference else ""
    second = ours.rendering.pictures_of(1)
    for key, picture in ours.rendering.pictures_of().items():
        expected = source_of(theirs[key], reference.folder) if reference and key in theirs else None
        actual = source_of(picture, ours.folder)
        yield Pair(*key, against if expected else "", expected, actual)
        if key in second and second[key].sha256 != picture.sha256:
            yield Pair(*key, AGAINST[TWICE], actual, source_of(second[key], ours.folder), wrong=True)


def _with_verdict(pairs: list[Pair], verdict: Verdict, run: Path) -> list[Pair]:
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

"""How a failing picture check is told: the picture, how far it is off, the stage, where to look, what to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fluxgate import figures
from fluxgate.baselines.limits import Band
from fluxgate.compare import words
from fluxgate.compare.likeness import Likeness, average, worst
from fluxgate.compare.measures import SSIM
from fluxgate.compare.pairs import Pair
from fluxgate.compare.stages import StageDifference
from fluxgate.files import is_name
from fluxgate.judge.answers import Proof, failed
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import origin, picture_name
from fluxgate.judge.suspects import of_difference
from fluxgate.judge.verdict import Limit, Verdict
from fluxgate.rendering import Inventory

FOLDER = "pictures"  # within the run: differences, and copies of what lies outside of it


@dataclass(frozen=True)
class Breach:
    """A limit of likeness that a picture, or the mean over all of them, does not keep."""

    pair: Pair | None  # None: the mean
    measure: str
    value: float
    limit: Limit
    is_floor: bool

    @property
    def bound(self) -> str:
        return "floor" if self.is_floor else "ceiling"

    @property
    def sentence(self) -> str:
        """`ssim 0.912, the floor is 0.941 (measured, n=40, …)`."""
        value, bound = _figure(self.measure, self.value), _figure(self.measure, self.limit.value)
        return f"{self.measure} {value}, the {self.bound} is {bound} ({origin(self.limit)})"


def first_breach(
    pairs: Iterable[Pair], bands: Mapping[str, Band], overall: Mapping[str, Band] | None = None
) -> Breach | None:
    """The first limit that a picture breaks, the least alike picture first; else one that their mean breaks."""
    pairs = sorted(pairs, key=lambda pair: pair.alike)
    for pair in pairs:
        breach = _breach(pair, pair.likeness, bands) if pair.likeness else None
        if breach:
            return breach
    return _breach(None, average(likenesses(pairs)), overall) if overall and likenesses(pairs) else None


def _breach(pair: Pair | None, likeness: Likeness, bands: Mapping[str, Band]) -> Breach | None:
    for measure, value in likeness.measures().items():
        band = bands.get(measure)
        limit = band.broken(value) if band else None
        if band and limit:
            return Breach(pair, measure, value, limit, limit is band.floor)
    return None


@dataclass(frozen=True)
class FirstDifference:
    """The stage at which pictures first differ, with a sentence that names the libraries that most likely did it."""

    stage: str
    sentence: str
    suspects: str


def located(
    evidence: Evidence,
    difference: StageDifference | None,
    *,
    inventory: Inventory | None = None,
    hooks_cleared: bool = False,
) -> FirstDifference | None:
    """`It first differs at prompt embeddings: most likely transformers or tokenizers.`

    inventory: of the case that is to be looked at, if not this one's."""
    if difference is None:
        return None
    subject, parts = evidence.case.subject, inventory or evidence.rendering.inventory
    likely = of_difference(difference, subject=subject, inventory=parts, hooks_cleared=hooks_cleared)
    sentence = f"It first differs at {difference.place}: most likely {likely}."
    return FirstDifference(difference.stage, sentence, likely)


@dataclass(frozen=True)
class Explanation:
    """What a failure says: what is wrong, where it first differs, and what to do."""

    lead: str
    where: FirstDifference | None
    then: str


def failure_for_worst(evidence: Evidence, check: str, pairs: Sequence[Pair], explanation: Explanation) -> Verdict:
    """A failure about the least alike of some pairs; the lead has a %s where its difference belongs."""
    pair = min(pairs, key=lambda pair: (not pair.shown, pair.alike))
    told = f"{picture_name(evidence.case, pair.shot, pair.index)} {words.picture(pair)}"
    lead = explanation.lead.replace("%s", told, 1)  # the rest of it may tell of percents
    return failure_with_picture(evidence, check, pair, replace(explanation, lead=lead), numbers=numbers_of(pairs))


def failure_with_picture(
    evidence: Evidence,
    check: str,
    pair: Pair,
    explanation: Explanation,
    *,
    numbers: Mapping[str, float],
    limit: Limit | None = None,
) -> Verdict:
    """A failure that names the pair of pictures that shows it."""
    pictures, where = _pictures_of(evidence, check, pair), explanation.where
    look = _where_to_look(evidence, pictures)
    parts = [explanation.lead, where.sentence if where else "", look, explanation.then]
    sentence = " ".join(part for part in parts if part)
    stage, suspects = (where.stage, where.suspects) if where else (None, None)
    proof = Proof(numbers=numbers, limit=limit, pictures=pictures, stage=stage, suspects=suspects)
    return failed(evidence, check, sentence, **proof)


def _pictures_of(evidence: Evidence, check: str, pair: Pair) -> dict[str, str]:
    """Where expected, actual and difference lie within the run; the difference is yet to be drawn."""
    shot = pair.shot if is_name(pair.shot) else "picture"
    name = f"{evidence.case.id}-{'-'.join(check.split())}-{shot}-{pair.index}-difference.png"
    expected = pair.expected if pair.expected and pair.shown else pair.actual
    return {
        "expected": _within(evidence.run, expected.path),
        "actual": _within(evidence.run, pair.actual.path),
        "difference": f"{FOLDER}/{name}",
    }


def _within(run: Path | None, path: Path) -> str:
    try:
        return path.relative_to(run).as_posix() if run is not None else path.as_posix()
    except ValueError:
        return path.as_posix()


def _where_to_look(evidence: Evidence, pictures: Mapping[str, str]) -> str:
    """`See runs/…/pictures/…-difference.png.`"""
    path = Path(pictures["difference"])
    return f"See {evidence.run / path if evidence.run is not None else path}."


def likenesses(pairs: Iterable[Pair]) -> list[Likeness]:
    """What could be measured."""
    return [pair.likeness for pair in pairs if pair.likeness is not None]


def numbers_of(pairs: Iterable[Pair]) -> dict[str, float]:
    """The worst of each measure over some pairs, and how many they are."""
    pairs = list(pairs)
    measured = likenesses(pairs)
    return {**(worst(measured).measures() if measured else {}), "pictures": float(len(pairs))}


def all_identical(count: int, *, to: str | None = None) -> str:
    """`All 5 pictures are identical to full's`, or to the accepted ones."""
    others = f"{to}'s" if to else "the accepted one" if count == 1 else "the accepted ones"
    return f"{'The picture is' if count == 1 else f'All {count} pictures are'} identical to {others}"


def _figure(measure: str, value: float) -> str:
    return figures.likeness(value) if measure == SSIM else f"{value:.4g}"

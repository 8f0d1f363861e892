"""How a failing picture check is told: the picture, how far it is off, the stage, where to look, what to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fluxgate import figures
from fluxgate.baselines.limits import SSIM, Band
from fluxgate.compare.likeness import Likeness, average, worst
from fluxgate.compare.pairs import Pair, pictures_of, where_to_look
from fluxgate.compare.stages import Departure
from fluxgate.judge.evidence import Answer, Evidence, failed
from fluxgate.judge.sentences import origin, picture_name
from fluxgate.judge.verdict import Limit


@dataclass(frozen=True)
class Breach:
    """A limit of likeness that a picture, or the mean over all of them, does not keep."""

    pair: Pair | None  # None: the mean
    measure: str
    value: float
    limit: Limit
    is_floor: bool

    @property
    def sentence(self) -> str:
        """`ssim 0.912, the floor is 0.941 (measured, n=40, …)`."""
        bound = "floor" if self.is_floor else "ceiling"
        found, due = _figure(self.measure, self.value), _figure(self.measure, self.limit.value)
        return f"{self.measure} {found}, the {bound} is {due} ({origin(self.limit)})"


def breach(
    pairs: Iterable[Pair], bands: Mapping[str, Band], overall: Mapping[str, Band] | None = None
) -> Breach | None:
    """The first limit that a picture breaks, the least alike picture first; else one that their mean breaks."""
    pairs = sorted(pairs, key=lambda pair: pair.alike)
    for pair in pairs:
        found = _broken(pair, pair.likeness, bands) if pair.likeness else None
        if found:
            return found
    return _broken(None, average(known(pairs)), overall) if overall and known(pairs) else None


def _broken(pair: Pair | None, found: Likeness, bands: Mapping[str, Band]) -> Breach | None:
    for measure, value in found.measures().items():
        band = bands.get(measure)
        limit = band.broken(value) if band else None
        if band and limit:
            return Breach(pair, measure, value, limit, limit is band.floor)
    return None


def differing(
    evidence: Evidence, check: str, pairs: list[Pair], *, lead: str, gone: Departure | None, then: str = ""
) -> Answer:
    """A failure about the least alike of some pairs; `lead` has a %s where the difference is told."""
    shown = min(pairs, key=lambda pair: pair.alike)
    said = f"{picture_name(evidence.case, shown.shot, shown.index)} {difference(shown)}"
    return about(evidence, check, shown, lead=lead % said, gone=gone, then=then, numbers=numbers_of(pairs))


def about(
    evidence: Evidence,
    check: str,
    shown: Pair,
    *,
    lead: str,
    gone: Departure | None,
    numbers: Mapping[str, float],
    then: str = "",
    limit: Limit | None = None,
) -> Answer:
    """A failure with the picture that shows it."""
    pictures = pictures_of(evidence, check, shown)
    parts = [lead, gone.sentence if gone else "", where_to_look(evidence, pictures), then]
    sentence = " ".join(part for part in parts if part)
    return failed(sentence, numbers=numbers, limit=limit, pictures=pictures, stage=gone.stage if gone else None)


def difference(pair: Pair) -> str:
    """How far a picture is off, or why that cannot be said."""
    found = pair.likeness
    if found is None:
        return pair.trouble or "cannot be compared"
    share, most = figures.percent(found.changed_share), f"{found.max_difference:.0f}/255"
    where = f", first at row {pair.first[0]}, column {pair.first[1]}" if pair.first else ""
    how = f"SSIM {figures.likeness(found.ssim)}, FLIP {found.flip:.3f}"
    return f"differs in {share} of its pixels by at most {most}{where} ({how})"


def known(pairs: Iterable[Pair]) -> list[Likeness]:
    """What could be measured."""
    return [pair.likeness for pair in pairs if pair.likeness is not None]


def numbers_of(pairs: Iterable[Pair]) -> dict[str, float]:
    """The worst of each measure over some pairs, and how many they are."""
    pairs = list(pairs)
    found = known(pairs)
    return {**(worst(found).measures() if found else {}), "pictures": float(len(pairs))}


def all_are(count: int) -> str:
    return "The picture is" if count == 1 else f"All {count} pictures are"


def _figure(measure: str, value: float) -> str:
    return figures.likeness(value) if measure == SSIM else f"{value:.4g}"

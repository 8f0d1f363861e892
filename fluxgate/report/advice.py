"""Advice: the strategies ranked for a card, by what a run has measured."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.baselines.limits import FULL
from fluxgate.cases import Case
from fluxgate.compare.likeness import mismatch, similarity
from fluxgate.judge.sentences import listed
from fluxgate.judge.verdict import FAILED, KNOWN_FAILURE, Verdict
from fluxgate.rendering import Picture, Rendering
from fluxgate.report.cards import Trial, covers, ran_on, ran_out_on
from fluxgate.report.escaping import plain
from fluxgate.runs.pictures import sound_pixels
from fluxgate.runs.rendered import Rendered

CONTEXT = 600_000_000  # bytes: what the CUDA context and the code of kernels may take, which torch does not count
SEEN, BY_PEAK, NO = ("seen", "by its peak", "no")
COLUMNS = {"fits": 13, "peak": 10, "time": 8, "like": 7}  # heading -> width


@dataclass(frozen=True)
class Ranked:
    """One strategy: whether it fits, and what it costs."""

    strategy: str
    fits: str  # SEEN, BY_PEAK or NO
    peak: int  # bytes that torch reserved at most
    seconds: float | None  # of the shots that all have rendered, without loading
    likeness: float | None  # SSIM of the picture that is least like full's
    run: str  # where it was measured
    without: tuple[str, ...]  # the shots that it left out and others rendered


@dataclass(frozen=True)
class Advice:
    """All that a run says of the strategies for one subject, for a card of some size."""

    subject: str
    vram: int  # bytes
    run: str
    ranked: tuple[Ranked, ...]
    left_out: dict[str, str]  # strategy -> why it is not ranked
    shots: tuple[str, ...]  # that the seconds are of


@dataclass(frozen=True)
class Known:
    """What is known of a case, and from which run."""

    rendered: Rendered
    run: str

    @property
    def rendering(self) -> Rendering:
        return self.rendered.rendering

    @property
    def peak(self) -> int | None:
        return self.rendering.memory.peak("reserved") if self.rendering.memory else None


def advise(cases: Sequence[Case], tried: Sequence[Trial], verdicts: Iterable[Verdict], *, vram: int) -> Advice:
    """The cases of one subject, ranked for so many bytes; the first of the trials is the run that is asked."""
    found = {case.strategy.name: known_of(case.id, tried) for case in cases}
    wrong = [verdict for verdict in verdicts if verdict.status in (FAILED, KNOWN_FAILURE)]
    reasons = {case.strategy.name: _reason(case, found[case.strategy.name], wrong) for case in cases}
    sound = {name: known for name, known in found.items() if known is not None and reasons[name] is None}
    every = [known.rendering.recipes for known in sound.values()]
    shots = dict.fromkeys(shot for recipes in every for shot in recipes)
    common = tuple(shot for shot in shots if all(shot in recipes for recipes in every))
    rows = [
        Ranked(
            strategy=name,
            fits=fits(known.rendering, known.peak or 0, tried, vram=vram),
            peak=known.peak or 0,
            seconds=seconds(known.rendering, common),
            likeness=likeness(known, found.get(FULL)),
            run=known.run,
            without=tuple(shot for shot in shots if shot not in known.rendering.recipes),
        )
        for name, known in sound.items()
    ]
    left_out = {name: reason for name, reason in reasons.items() if reason is not None}
    return Advice(cases[0].subject.name, vram, tried[0].run, tuple(sorted(rows, key=_order)), left_out, common)


def _order(row: Ranked) -> tuple[bool, float, float]:
    """What fits comes first, then what is more like full, then what is faster."""
    alike = -2.0 if row.likeness is None else row.likeness
    return row.fits == NO, -alike, math.inf if row.seconds is None else row.seconds


def known_of(case_id: str, tried: Sequence[Trial]) -> Known | None:
    """What the run has of a case; where its limit was too little for it, what a run beside it has."""
    run, *beside = tried
    own = run.rendered(case_id)
    if own is None:
        return None
    if own.rendering.crash is not None and own.rendering.crash.limit is not None:
        for trial in beside:
            other = trial.rendered(case_id)
            if other is not None and covers(other.rendering, own.rendering):
                return Known(other, trial.run)
    return Known(own, run.run)


def _reason(case: Case, found: Known | None, wrong: Iterable[Verdict]) -> str | None:
    """Why a case is not ranked; None for one that is."""
    if found is None:
        return f"unsupported: {case.unsupported}" if case.unsupported else "not rendered in this run"
    crash = found.rendering.crash
    if crash is not None:
        return f"crashed{f' during {crash.phase}' if crash.phase else ''}: {crash.sentence}"
    verdict = next((verdict for verdict in wrong if verdict.case_id == case.id), None)
    if verdict is not None:
        return f"{verdict.status}, {verdict.check}: {verdict.sentence}"
    if case.strategy.gpus > 1:
        return f"it needs {case.strategy.gpus} cards"
    return "its GPU memory was not measured" if found.peak is None else None


def fits(rendering: Rendering, peak: int, tried: Sequence[Trial], *, vram: int) -> str:
    """Whether it was seen to run with so many bytes, or should by its peak; what ran out of them does not."""
    enough, too_little = ran_on(rendering, tried), ran_out_on(rendering, tried)
    if enough is not None and enough <= vram / 1e9:
        return SEEN
    if too_little is not None and too_little >= vram / 1e9:
        return NO
    return BY_PEAK if peak + CONTEXT <= vram else NO


def seconds(rendering: Rendering, shots: Iterable[str]) -> float | None:
    """What the shots took without loading: the second take if each has one, since the first also warms up."""
    asked = set(shots)
    spent = [duration for duration in rendering.durations if duration.shot in asked]
    take = 1 if {duration.shot for duration in spent if duration.take == 1} == asked else 0
    found = [duration.seconds for duration in spent if duration.take == take]
    return sum(found) if found else None


def likeness(ours: Known, full: Known | None) -> float | None:
    """SSIM of the picture that is least like full's, 1 to the pixel; None where one cannot be compared."""
    if full is None or not covers(full.rendering, ours.rendering):
        return None
    theirs = full.rendering.pictures_of()
    found = [
        _alike(picture, ours, theirs[key], full) if key in theirs else None
        for key, picture in ours.rendering.pictures_of().items()
    ]
    known = [value for value in found if value is not None]
    return min(known) if known and len(known) == len(found) else None


def _alike(picture: Picture, ours: Known, other: Picture, full: Known) -> float | None:
    if (picture.sha256, picture.mode) == (other.sha256, other.mode):
        return 1.0
    expected, actual = sound_pixels(other, full.rendered.folder), sound_pixels(picture, ours.rendered.folder)
    return None if mismatch(expected, actual) else similarity(expected, actual)


# In words


def advice(found: Advice, *, width: int = 80) -> str:
    """A table of what is ranked, the reasons for what is not, and what the columns mean."""
    reasons = [f"{_names(names)}: {reason}" for reason, names in _by_what(found.left_out).items()]
    notes = [*_notes(found), _legend(found)] if found.ranked else []
    blocks = (list(_table(found)), *([*_wrapped(those, width)] for those in (reasons, notes) if those))
    return "\n\n".join("\n".join(lines) for lines in blocks)


def _table(found: Advice) -> Iterator[str]:
    title = plain(f"{found.subject} on {amount(found.vram)}")
    if not found.ranked:
        yield f"{title}: nothing can be ranked."
        return
    name = max(len(text) for text in (title, *(row.strategy for row in found.ranked)))
    yield f"{title:<{name}}" + "".join(f"{head:>{wide}}" for head, wide in COLUMNS.items())
    for row in found.ranked:
        time = "" if row.seconds is None else figures.brief(row.seconds)
        like = "" if row.likeness is None else figures.likeness(row.likeness, digits=3)
        cells = zip((row.fits, amount(row.peak), time, like), COLUMNS.values(), strict=True)
        yield (f"{plain(row.strategy):<{name}}" + "".join(f"{cell:>{wide}}" for cell, wide in cells)).rstrip()


def _wrapped(texts: Iterable[str], width: int) -> Iterator[str]:
    for text in texts:
        yield from textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _notes(found: Advice) -> Iterator[str]:
    """Where a row is not like the others."""
    for run, names in _by_what({row.strategy: row.run for row in found.ranked if row.run != found.run}).items():
        yield f"{_names(names)}: out of memory under this run's limit, measured in {run}."
    for shots, names in _by_what({row.strategy: listed(row.without) for row in found.ranked if row.without}).items():
        yield f"{_names(names)}: peak and likeness without {shots}, which they leave out."


def _by_what(given: Mapping[str, str]) -> dict[str, list[str]]:
    """What is said -> those of whom it is said, each text in one plain line."""
    found: dict[str, list[str]] = {}
    for name, what in given.items():
        found.setdefault(plain(what.partition("\n")[0]), []).append(name)
    return found


def _names(names: Sequence[str]) -> str:
    return plain(", ".join(names))


def _legend(found: Advice) -> str:
    card = amount(found.vram)
    return (
        f"Fits: seen, it ran with no more than {card}; by its peak, not tried: the peak, which is what torch reserved,"
        f" and {amount(CONTEXT)} for the CUDA context leave room (pytest --vram-limit {found.vram / 1e9:g}GB tries it);"
        f" no, they do not, or it ran out of memory. Time: {listed(found.shots, most=12)}, the second take if there is"
        f" one, without loading. Like: SSIM of the picture that is least like full's; 1 is to the pixel."
    )

"""The report as Markdown: figures and verdicts of each subject in tables, then a sentence for all that is not green."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.baselines.limits import WHOLE
from fluxgate.cases import Case
from fluxgate.judge.verdict import CHECKS, KNOWN_FAILURE, UNSUPPORTED, Verdict
from fluxgate.rendering import PHASES, Rendering
from fluxgate.report.escaping import lines
from fluxgate.report.escaping import markdown as safe
from fluxgate.report.published_settings import Findings
from fluxgate.report.report import NO_CARDS, NO_CASES, Row, counts, measured_anything, reasons, red, rows

FIGURES = (*PHASES, WHOLE)
OF = {"allocated": "Peaks are of the bytes allocated on the GPU", "host": "Peaks are of the worker's own memory"}
NOTE = "seconds are those of loading and of the first take of each shot; likeness is the least like picture's SSIM"
CARD = "; card is the smallest standard one that it was seen to run on"


def markdown(
    verdicts: Iterable[Verdict],
    renderings: Mapping[str, Rendering],
    *,
    title: str,
    run: str,
    versions: Mapping[str, str] = MappingProxyType({}),
    cases: Mapping[str, Case] = NO_CASES,
    settings: Iterable[Findings] = (),
    cards: Mapping[str, int] = NO_CARDS,
) -> str:
    """The whole report.

    `cases` know what was promised and published, `cards` on which each was seen to run, and `settings` what those of a
    guide change."""
    verdicts = tuple(verdicts)
    told = [f"# {safe(title)}", "", *_versions(versions), _total(verdicts), ""]
    found = rows(verdicts, renderings, cases=cases, cards=cards)
    for subject in dict.fromkeys(row.subject for row in found):
        mine = [row for row in found if row.subject == subject]
        measured = [row for row in mine if row.seconds is not None or row.peaks[WHOLE] is not None]
        told += [f"## {safe(subject)}", "", *(_figures(measured) if measured else ()), *_statuses(mine), ""]
    told += [line for each in settings for line in _settings(each)]
    told += [*_sentences("To look at", red(verdicts))]
    told += [*_sentences("Known failures", [v for v in verdicts if v.status == KNOWN_FAILURE])]
    told += [*_unsupported(verdicts), f"The run is in {safe(run)}.", ""]
    return "\n".join(told)


def _versions(found: Mapping[str, str]) -> list[str]:
    told = safe(", ".join(f"{package} {version}" for package, version in found.items()))
    return [f"With {told}.", ""] if found else []


def _total(verdicts: tuple[Verdict, ...]) -> str:
    told = ", ".join(f"{number} {status}" for status, number in counts(verdicts).items()) or "no verdict"
    return f"{told}." if measured_anything(verdicts) else f"{told}: nothing was measured."


def _figures(found: list[Row]) -> Iterator[str]:
    """What each strategy promises, and what was measured of it, beside what somebody else reported."""
    reported = ["peak, driver", "published"] if any(row.published is not None for row in found) else []
    card = ["card"] if any(row.card is not None for row in found) else []
    last = [*card, *reported]
    yield from _heading(["strategy", "promise", *(f"peak, {phase}" for phase in FIGURES), "seconds", "likeness", *last])
    for row in found:
        seconds = "" if row.seconds is None else figures.seconds(row.seconds)
        likeness = "" if row.likeness is None else figures.likeness(row.likeness)
        peaks = [_bytes(row.peaks[phase]) for phase in FIGURES]
        runs_on = ["" if row.card is None else f"{row.card} GB"][: len(card)]
        beside = [*runs_on, *[_bytes(row.driver), _bytes(row.published)][: len(reported)]]
        yield _line([safe(row.strategy), safe(row.promise or ""), *peaks, seconds, likeness, *beside])
    told = {row.figure for row in found if row.peaks[WHOLE] is not None}
    yield from ("", *(f"{OF[figure]}; {NOTE}{CARD if card else ''}." for figure in sorted(told)), "")


def _settings(found: Findings) -> Iterator[str]:
    """What each published setting moved, and which of them more."""
    yield from (f"## What the published settings change: {safe(found.subject)} against {safe(found.reference)}", "")
    yield from _heading(
        ["setting", "strategy", "least SSIM", "mean SSIM", "largest difference", "changed pixels", "first differs at"]
    )
    for one in found.moved:
        alike = [figures.likeness(number) for number in (one.least, one.mean)]
        moved = [f"{one.largest:.0f}/255", figures.percent(one.changed), safe(one.stage or "")]
        yield _line([safe(one.setting), safe(one.strategy), *alike, *moved])
    yield from ("", safe(found.sentence), "")


def _statuses(found: list[Row]) -> Iterator[str]:
    """What each check said."""
    yield from _heading(["strategy", *CHECKS])
    yield from (_line([safe(row.strategy), *(row.statuses[check] for check in CHECKS)]) for row in found)


def _bytes(number: float | None) -> str:
    return "" if number is None else amount(number)


def _heading(cells: list[str]) -> Iterator[str]:
    yield _line(cells)
    yield _line(["---"] * len(cells))


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _sentences(title: str, verdicts: list[Verdict]) -> Iterator[str]:
    if not verdicts:
        return
    yield from (f"## {title}", "")
    for verdict in verdicts:
        first, *rest = lines(verdict.sentence) or [""]
        yield f"- **{safe(verdict.case_id)}**, {verdict.check} ({verdict.status}): {safe(first)}"
        yield from (f"  {safe(line.strip())}  " for line in rest)
    yield ""


def _unsupported(verdicts: tuple[Verdict, ...]) -> Iterator[str]:
    found = reasons(verdicts, UNSUPPORTED)
    if not found:
        return
    yield from ("## Unsupported", "")
    for reason, those in found.items():
        cases = ", ".join(dict.fromkeys(safe(verdict.case_id) for verdict in those))
        checks = ", ".join(dict.fromkeys(verdict.check for verdict in those))
        yield f"- {safe(reason)} ({checks}: {cases})"
    yield ""

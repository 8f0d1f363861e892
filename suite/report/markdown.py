"""The report as Markdown: a table for each subject, then a sentence for all that is not green."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from suite import figures
from suite.amounts import amount
from suite.judge.verdict import CHECKS, KNOWN_FAILURE, UNSUPPORTED, Verdict
from suite.rendering import PHASES, Rendering
from suite.report.summary import Row, counts, measured_anything, reasons, red, rows
from suite.report.text import lines
from suite.report.text import markdown as safe
from suite.store.limits import WHOLE

FIGURES = (*PHASES, WHOLE)


def markdown(verdicts: Iterable[Verdict], renderings: Mapping[str, Rendering], *, title: str, run: str) -> str:
    """The whole report."""
    verdicts = tuple(verdicts)
    told = [f"# {safe(title)}", "", _total(verdicts), ""]
    found = rows(verdicts, renderings)
    for subject in dict.fromkeys(row.subject for row in found):
        told += [f"## {safe(subject)}", "", *_table([row for row in found if row.subject == subject]), ""]
    told += [*_sentences("To look at", red(verdicts))]
    told += [*_sentences("Known failures", [v for v in verdicts if v.status == KNOWN_FAILURE])]
    told += [*_unsupported(verdicts), f"The run is in {safe(run)}.", ""]
    return "\n".join(told)


def _total(verdicts: tuple[Verdict, ...]) -> str:
    told = ", ".join(f"{number} {status}" for status, number in counts(verdicts).items()) or "no verdict"
    return f"{told}." if measured_anything(verdicts) else f"{told}: nothing was measured."


def _table(found: list[Row]) -> Iterator[str]:
    heads = ["strategy", *CHECKS, *(f"peak, {phase}" for phase in FIGURES), "seconds", "likeness"]
    yield _line(heads)
    yield _line(["---"] * len(heads))
    for row in found:
        peaks = [amount(peak) if peak is not None else "" for peak in (row.peaks[phase] for phase in FIGURES)]
        seconds = "" if row.seconds is None else figures.seconds(row.seconds)
        likeness = "" if row.likeness is None else figures.likeness(row.likeness)
        yield _line([safe(row.strategy), *(row.statuses[check] for check in CHECKS), *peaks, seconds, likeness])


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

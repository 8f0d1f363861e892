"""The report for GitHub Actions: a job summary, a comment that is updated, annotations, and the step's outputs."""

from __future__ import annotations

import html
import secrets
import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fluxgate.judge.sentences import listed, sentence_case
from fluxgate.judge.verdict import CRASHED, Verdict
from fluxgate.report.columns import SYMBOLS, columns_of
from fluxgate.report.escaping import LONGEST, first_line, plain, shortened
from fluxgate.report.escaping import markdown as safe
from fluxgate.report.gate_markdown import cases_table, culprit_blocks, moves_table, next_blocks
from fluxgate.report.gate_result import Answer, GateResult
from fluxgate.report.markdown import bullets, table
from fluxgate.report.report import Report

# GitHub drops a summary of more than 1 MiB, and refuses a comment of more than 65,536 characters.
LARGEST_SUMMARY = 1_000_000  # bytes
LARGEST_COMMENT = 60_000
MOST_PICTURES = 12
MOST_ANNOTATIONS = 10  # of a kind: GitHub shows no more of one step
MOST_ROWS, MOST_SENTENCES = 100, 50
WIDE = 160  # pixels of a picture
MARKER = "<!-- fluxgate:{} -->"
IN_ADDRESSES = f"{string.ascii_letters}{string.digits}-._~:/?#&=%+@"
REST = "*The rest is on the page and in the artifact.*"


@dataclass(frozen=True)
class Shown:
    """A picture in a summary: where its reader's browser finds it, and what it shows."""

    address: str
    words: str


def answer_of(report: Report) -> Answer:
    """Safe or not, in the words that gates have."""
    if report.gate is not None:
        return report.gate.result.answer
    if report.failures:
        return Answer.NOT_SAFE
    return Answer.SAFE if report.measured and not report.cut_short else Answer.CANNOT_TELL


# The summary, and the comment


def summary(report: Report, *, page: str = "", pictures: Sequence[Shown] = (), most: int = LARGEST_SUMMARY) -> str:
    """Markdown of at most so many bytes; page: the address at which the page of this report is published."""
    text, left = "", most - len(REST.encode()) - 2
    for block in _blocks(report, page, pictures):
        if len(block.encode()) + 2 > left:
            return text + REST + "\n"
        text, left = f"{text}{block}\n\n", left - len(block.encode()) - 2
    return text.rstrip("\n") + "\n"


def comment(report: Report, *, key: str, page: str = "", pictures: Sequence[Shown] = ()) -> str:
    """The same, short enough for a comment on a pull request; its first line is a marker by which it is found again.

    key: tells the comments of several jobs apart."""
    name = "".join(character for character in key if character.isalnum() or character in "._")
    marker = MARKER.format(name or "report")
    return f"{marker}\n{summary(report, page=page, pictures=pictures, most=LARGEST_COMMENT)}"


def _blocks(report: Report, page: str, pictures: Sequence[Shown]) -> Iterator[str]:
    """What matters most first, so that what is left out for want of room matters least."""
    of_gate = report.gate.result if report.gate else None
    signs = {Answer.SAFE: "✅", Answer.DRIFT: "⚠️", Answer.NOT_SAFE: "❌", Answer.CANNOT_TELL: "❔"}
    answer = answer_of(report)
    yield f"## {signs[answer]} Fluxgate: {sentence_case(answer.value)}"
    yield _safe(report.headline)
    yield from map(_unlike_a_command, culprit_blocks(of_gate)) if of_gate else ()
    if page:
        yield f"[See every picture]({_address(page)})"
    if pictures:
        yield _row_of_pictures(pictures[:MOST_PICTURES])
    yield from _of_gate(of_gate) if of_gate else _of_run(report)
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield _safe(f"On {report.machine.name} with {versions}.")


def _of_gate(result: GateResult) -> Iterator[str]:
    yield from map(_unlike_a_command, next_blocks(result))
    yield from map(_safe, result.contrasts)
    if result.cases:
        yield cases_table(result)
        reasons = (f"**{safe(one.case_id)}**: {_safe(one.reason)}" for one in result.cases if one.is_bad)
        yield bullets(list(reasons)[:MOST_SENTENCES])
    if result.moves:
        yield moves_table(result)


def _of_run(report: Report) -> Iterator[str]:
    if report.failures:
        yield bullets(map(_sentence, report.failures[:MOST_SENTENCES]))
    if report.gated.missing:
        yield "Not gated:"
        yield bullets(map(_safe, report.gated.missing))
    for subject, rows in report.tables.items():
        columns = columns_of(rows)
        wrong_first = sorted(rows, key=lambda row: not row.is_wrong)
        yield f"### {safe(subject)}"
        yield table(
            ["strategy", "answers", *(column.title for column in columns)],
            (
                [safe(row.strategy), _answers(row.statuses.values()), *(one.cell(row, one.full) for one in columns)]
                for row in wrong_first[:MOST_ROWS]
            ),
        )


def _sentence(verdict: Verdict) -> str:
    check = "" if verdict.status == CRASHED else f", {safe(verdict.check)}"
    return f"**{safe(verdict.case_id)}**{check}: {_safe(first_line(verdict.sentence))}"


def _answers(statuses: Iterable[str]) -> str:
    """`8 ✓, 1 ✗`: how often each answer was given."""
    given = list(statuses)
    return ", ".join(f"{given.count(status)} {SYMBOLS[status]}" for status in SYMBOLS if status in given)


def _row_of_pictures(pictures: Sequence[Shown]) -> str:
    words = [html.escape(plain(shortened(one.words, LONGEST))) for one in pictures]
    return "\n".join(
        f'<img src="{_address(one.address)}" width="{WIDE}" alt="{text}" title="{text}">'
        for one, text in zip(pictures, words, strict=True)
    )


# Annotations


def workflow_commands(report: Report) -> Iterator[str]:
    """Workflow commands: one for a culprit, or one for each group of failures with one cause, never one for a cell."""
    groups = _of_culprit(report.gate.result) if report.gate else _of_failures(report)
    yield from (_command(*group) for group in groups)


def _of_culprit(result: GateResult) -> Iterator[tuple[str, str, str]]:
    kind = {Answer.SAFE: "", Answer.NOT_SAFE: "error"}.get(result.answer, "warning")
    if not kind:
        return
    culprit = result.culprit.sentence if result.culprit else ""
    pin = f"Pin {', '.join(result.pin)}." if result.pin else ""
    yield kind, f"Fluxgate: {result.answer}", " ".join(filter(None, (result.sentence, culprit, pin)))


def _of_failures(report: Report) -> Iterator[tuple[str, str, str]]:
    """A group for each check and stage; the largest first."""
    groups: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in report.failures:
        cause = first_line(verdict.sentence) if verdict.status == CRASHED else verdict.check
        groups.setdefault((cause, verdict.stage or ""), []).append(verdict)
    ordered = sorted(groups.values(), key=len, reverse=True)
    more = ordered[MOST_ANNOTATIONS - 1 :] if len(ordered) > MOST_ANNOTATIONS else []
    for those in ordered[: len(ordered) - len(more)]:
        yield (
            "error",
            f"Fluxgate: {_what(those[0])}",
            f"{listed(one.case_id for one in those)}: {first_line(those[0].sentence)}",
        )
    if more:
        yield "error", "Fluxgate", f"{sum(map(len, more))} more failures, of {len(more)} other kinds"
    if report.cut_short:
        yield "warning", "Fluxgate: cut short", report.cut_short.sentence


def _what(verdict: Verdict) -> str:
    where = f", first at the {verdict.stage}" if verdict.stage else ""
    return f"{'crashed' if verdict.status == CRASHED else verdict.check}{where}"


def _command(kind: str, title: str, message: str) -> str:
    """One line; whatever is in the texts, the runner reads nothing else in it."""
    return f"::{kind} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return plain(shortened(text, LONGEST)).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


# Outputs


def outputs(report: Report) -> dict[str, str]:
    """What later steps ask for: the verdict, the culprit with its versions, and the pin."""
    result = report.gate.result if report.gate else None
    packages = result.culprit.packages if result and result.culprit else ()
    return {
        "verdict": answer_of(report).value,
        "culprit": ", ".join(map(str, packages)),
        "pin": " ".join(result.pin) if result else "",
    }


def output_lines(values: dict[str, str]) -> str:
    """The text to append to $GITHUB_OUTPUT; each value stands between delimiters that nobody can know beforehand."""
    marked = ((name, plain(value), secrets.token_hex(16)) for name, value in values.items())
    return "".join(f"{name}<<{mark}\n{value}\n{mark}\n" for name, value, mark in marked)


# Text made safe


def _safe(text: str) -> str:
    return _unlike_a_command(safe(shortened(text, LONGEST)))


def _unlike_a_command(text: str) -> str:
    """A summary may be printed in a step's log, where the runner takes a line with two colons for a command."""
    return "\n".join(f"\\{line}" if line.lstrip().startswith(("::", "##[")) else line for line in text.split("\n"))


def _address(text: str) -> str:
    """An address within Markdown or an attribute: nothing in it ends either."""
    return "".join(character for character in text if character in IN_ADDRESSES)

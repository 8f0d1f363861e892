"""The terminal's report: strategies × checks with figures, then a sentence for all that is not green."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.baselines.limits import WHOLE
from fluxgate.judge.verdict import (
    CHECKS,
    CRASHED,
    EFFECT_CHECKS,
    FAILED,
    KNOWN_FAILURE,
    MEMORY_CHECKS,
    NO_DATA,
    NOT_SELECTED,
    PASSED,
    PICTURE_CHECKS,
    SPEED_CHECKS,
    UNSUPPORTED,
    Verdict,
)
from fluxgate.rendering import DECODE, DENOISE, ENCODE, LOAD, Rendering
from fluxgate.report.escaping import ascii_only, lines, plain, shortened
from fluxgate.report.published_settings import Findings, Moved
from fluxgate.report.report import NO_CARDS, Row, counts, measured_anything, reasons, red, rows

NARROWEST = 60
MEMORY = (
    "Peaks in GB (1e9): allocated on the GPU, or the worker's own where there is none. Like: SSIM to the reference."
)
SYMBOLS = {
    PASSED: "✓",
    FAILED: "✗",
    CRASHED: "!",
    KNOWN_FAILURE: "k",
    UNSUPPORTED: "–",
    NO_DATA: "?",
    NOT_SELECTED: "·",
}
ASCII = {PASSED: "+", FAILED: "X", CRASHED: "!", KNOWN_FAILURE: "k", UNSUPPORTED: "-", NO_DATA: "?", NOT_SELECTED: "."}
GROUPS = (PICTURE_CHECKS, MEMORY_CHECKS, EFFECT_CHECKS + SPEED_CHECKS)
LETTERS = dict(zip(CHECKS, "TPBSCLGHEIQ", strict=True))
CARD = "card"
CARDS = " Card: GB of the smallest standard card that it was seen to run on."
COLUMNS = {LOAD: 6, ENCODE: 7, DENOISE: 8, DECODE: 7, WHOLE: 6, CARD: 5, "time": 6, "like": 6}  # heading -> width
_CHECKS_WIDTH = len(CHECKS) + len(GROUPS) - 1


def terminal(
    verdicts: Iterable[Verdict],
    renderings: Mapping[str, Rendering],
    *,
    run: Path | None,
    cards: Mapping[str, int] = NO_CARDS,
    limit: int | None = None,
    width: int = 80,
    unicode: bool = True,
    settings: Iterable[Findings] = (),
) -> str:
    """The whole report; its last line says where the run is.

    `cards` tell on which each case was seen to run, `limit` how many bytes of a GPU all of them were held to."""
    verdicts, width = tuple(verdicts), max(width, NARROWEST)
    found = rows(verdicts, renderings, cards=cards)
    told = [*_tables(found, width=width, unicode=unicode)]
    memory = MEMORY + (CARDS if _carded(found) else "") + (_held(limit) if limit is not None else "")
    told += [*_legend(verdicts, memory, width=width, unicode=unicode)]
    told += [*_sentences(verdicts, width=width)]
    told += [line for found in settings for line in _settings(found, width=width)]
    told += textwrap.wrap(_total(verdicts), width)
    told += [f"The run is in {plain(str(run))}"] if run is not None else []
    return "\n".join(told if unicode else map(ascii_only, told))


def _tables(found: list[Row], *, width: int, unicode: bool) -> Iterator[str]:
    """One table for each subject."""
    for subject in dict.fromkeys(row.subject for row in found):
        mine = [row for row in found if row.subject == subject]
        yield from _table(subject, mine, width=width, unicode=unicode)
        yield ""


def _table(subject: str, found: list[Row], *, width: int, unicode: bool) -> Iterator[str]:
    longest = max(len(plain(text)) for text in (subject, *(row.strategy for row in found)))
    columns = _columns(found, room=width - longest - 1 - _CHECKS_WIDTH)
    name = min(longest, width - 1 - _CHECKS_WIDTH - sum(columns.values()))
    head = " ".join("".join(LETTERS[check] for check in group) for group in GROUPS)
    title = f"{shortened(plain(subject), name):<{name}} {head}"
    yield title + "".join(f"{column:>{wide}}" for column, wide in columns.items())
    symbols = SYMBOLS if unicode else ASCII
    for row in found:
        cells = " ".join("".join(symbols[row.statuses[check]] for check in group) for group in GROUPS)
        line = f"{shortened(plain(row.strategy), name):<{name}} {cells}"
        yield (line + "".join(f"{_cell(row, column):>{wide}}" for column, wide in columns.items())).rstrip()


def _columns(found: list[Row], *, room: int) -> dict[str, int]:
    """The columns of figures that fit, those that matter least left out first; a long name gives way to the others."""
    columns = dict(COLUMNS) if any(row.seconds is not None or row.peaks[WHOLE] is not None for row in found) else {}
    if not _carded(found):
        columns.pop(CARD, None)
    for least in (ENCODE, LOAD, DECODE, DENOISE, CARD, WHOLE):
        if sum(columns.values()) <= room:
            break
        columns.pop(least, None)
    return columns


def _carded(found: list[Row]) -> bool:
    """Whether any of them was seen to run on a card: without a GPU there is nothing to tell."""
    return any(row.card is not None for row in found)


def _cell(row: Row, column: str) -> str:
    if column == "time":
        return "" if row.seconds is None else figures.brief(row.seconds)
    if column == "like":
        return "" if row.likeness is None else figures.likeness(row.likeness, digits=3)
    if column == CARD:
        return "" if row.card is None else str(row.card)
    peak = row.peaks[column]
    return "" if peak is None else f"{peak / 1e9:.2f}"


def _legend(verdicts: tuple[Verdict, ...], memory: str, *, width: int, unicode: bool) -> Iterator[str]:
    """What the letters and the symbols in use stand for."""
    checks = ", ".join(f"{LETTERS[check]} {check}" for check in CHECKS)
    yield from textwrap.wrap(checks, width)
    used = {verdict.status for verdict in verdicts}
    symbols = SYMBOLS if unicode else ASCII
    meanings = ", ".join(f"{symbol} {status}" for status, symbol in symbols.items() if status in used)
    yield from textwrap.wrap(meanings, width)
    yield from textwrap.wrap(memory, width)
    yield ""


def _held(limit: int) -> str:
    return f" Every case was held to {amount(limit)} of each GPU."


def _sentences(verdicts: tuple[Verdict, ...], *, width: int) -> Iterator[str]:
    """A sentence for each red verdict and known failure; unsupported cells by reason."""
    for verdict in red(verdicts):
        yield from _told(verdict, lines(verdict.sentence), width=width)
    for verdict in _first_of_case(verdict for verdict in verdicts if verdict.status == KNOWN_FAILURE):
        yield from _told(verdict, lines(verdict.sentence)[:1], width=width)
    for reason, found in reasons(verdicts, UNSUPPORTED).items():
        yield from _wrapped(f"unsupported, {_where(found)}: {plain(reason)}", width, indent="", further="  ")
    yield ""


def _settings(found: Findings, *, width: int) -> Iterator[str]:
    """What each published setting moved, and which of them more."""
    title = f"What the published settings change: {found.subject} against {found.reference}"
    yield from _wrapped(plain(title), width, indent="", further="  ")
    for text in (*(_moved(one) for one in found.moved), found.sentence):
        yield from _wrapped(plain(text), width, indent="  ", further="    ")
    yield ""


def _moved(one: Moved) -> str:
    likeness = f"SSIM {figures.likeness(one.mean)} on average and {figures.likeness(one.least)} at the least"
    most = f"{figures.percent(one.changed)} of the pixels by at most {one.largest:.0f}/255"
    return f"{one.setting}: {likeness}, {most}" + (f", first at {one.stage}" if one.stage else "")


def _told(verdict: Verdict, told: list[str], *, width: int) -> Iterator[str]:
    yield from _wrapped(
        plain(f"{verdict.status.upper()} {verdict.case_id} · {verdict.check}"), width, indent="", further="  "
    )
    for line in told:
        yield from _wrapped(line, width, indent="  ", further="  ")
    yield ""


def _wrapped(text: str, width: int, *, indent: str, further: str) -> list[str]:
    """Lines of at most this width, paths and commands left whole."""
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )


def _first_of_case(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """A known failure of every check is told once."""
    told: dict[tuple[str, str], Verdict] = {}
    for verdict in verdicts:
        told.setdefault((verdict.case_id, verdict.sentence.partition("\n")[0]), verdict)
    return list(told.values())


def _where(found: list[Verdict]) -> str:
    """`nf4 in 11 checks`, `12 cases in 2 checks`: whom a reason is about."""
    cases, checks = {verdict.case_id for verdict in found}, {verdict.check for verdict in found}
    who = plain(found[0].case_id) if len(cases) == 1 else f"{len(cases)} cases"
    what = f"'{found[0].check}'" if len(checks) == 1 else f"{len(checks)} checks"
    return f"{who}, {what}"


def _total(verdicts: tuple[Verdict, ...]) -> str:
    """`44 passed, 2 failed, 9 unsupported`, and a plain word when nothing at all was measured."""
    told = ", ".join(f"{number} {status}" for status, number in counts(verdicts).items()) or "no verdict"
    return told if measured_anything(verdicts) else f"{told}: nothing was measured"

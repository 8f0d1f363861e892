"""The page of history: what changed, and a small chart of every series, with a mark where it or the stack did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from fluxgate.history.series import Change, Series, creep_sentence, in_words, sentence
from fluxgate.judge.sentences import counted

WIDTH, HEIGHT, EDGE = 240, 64, 6
LEAST = 0.1  # of its largest value: so much of a chart is shown at the least, so that noise looks like noise
LETTER = 6.5  # units that a letter of a label takes
KINDS = ("seconds", "bytes", "FLOPs", "SSIM")  # of figures, in the order in which they are shown
STYLE = Path(__file__).with_name("page.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(series: Sequence[Series]) -> str:
    """The whole page; it needs no script and nothing from elsewhere."""
    return "\n".join(_lines(series))


def _lines(series: Sequence[Series]) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Fluxgate: history</title>'
    yield f"<style>{STYLE.read_text(encoding='utf-8')}</style></head><body><main><h1>History</h1>"
    yield f'<p class="soft">{_extent(series)}</p>'
    yield from _changes(series)
    yield '<p class="soft">A dashed line marks where the stack moved, a solid line where the figure changed.</p>'
    for machine, case in dict.fromkeys((one.machine, one.case) for one in series):
        yield f'<h2>{escape(case)}</h2><p class="soft">{escape(machine)}</p><div class="charts">'
        own = [one for one in series if (one.machine, one.case) == (machine, case)]
        yield from (_chart(one) for one in sorted(own, key=_kind))
        yield "</div>"
    yield "</main></body></html>"


def _extent(series: Sequence[Series]) -> str:
    """How many sessions and series there are, and of which days."""
    moments = sorted({point.at for one in series for point in one.points})
    cases = len({(one.machine, one.case) for one in series})
    days = " to ".join(dict.fromkeys(moment[:10] for moment in (moments[0], moments[-1])))
    return escape(f"{counted(len(moments), 'session')}, {len(series)} series of {counted(cases, 'case')}, {days}")


def _changes(series: Sequence[Series]) -> Iterator[str]:
    """What changed, the latest first, and what creeps."""
    changes = [(change.at, change.is_worse, sentence(one, change)) for one in series for change in one.changes]
    sentences = [(worse, text) for _, worse, text in sorted(changes, reverse=True)]
    sentences += [(one.creeps_worse, creep_sentence(one, one.creep)) for one in series if one.creep is not None]
    if not sentences:
        yield "<p>Nothing changed by more than it varies.</p>"
        return
    yield "<ul>"
    for worse, text in sentences:
        kind = "worse" if worse else "better"
        yield f'<li><b class="{kind}">{kind}</b> {escape(text)}</li>'
    yield "</ul>"


def _kind(series: Series) -> int:
    """Where a figure stands among those of its case."""
    return next((at for at, kind in enumerate(KINDS) if kind in series.figure), len(KINDS))


def _chart(series: Series) -> str:
    values = series.values
    low, high = min(values), max(values)
    name = series.figure.removesuffix(", seconds").removesuffix(", bytes")
    span = in_words(series.figure, low)
    span += "" if in_words(series.figure, high) == span else f" to {in_words(series.figure, high)}"
    head = f"<b>{escape(name)}</b> <span>{escape(in_words(series.figure, values[-1]))}</span>"
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(series.figure, quote=True)}">'
    foot = f"{escape(span)}, {counted(len(values), 'session')}"
    return f"<figure><figcaption>{head}</figcaption>{svg}{_drawn(series)}</svg><p>{foot}</p></figure>"


def _drawn(series: Series) -> str:
    """The line through all points, above marks where the stack moved and where the figure changed."""
    values, points = series.values, series.points
    low, high = _range(values)
    places = [(_across(number, len(values)), _down(value, low, high)) for number, value in enumerate(values)]
    moved = [number for number in range(1, len(points)) if points[number].stack != points[number - 1].stack]
    marks = "".join(_mark(_across(number, len(values)), "moved", "the stack moved") for number in moved)
    marks += "".join(_change(series, change) for change in series.changes)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    last = f'<circle class="dot" cx="{places[-1][0]:.1f}" cy="{places[-1][1]:.1f}" r="2.5"/>'
    return f'{marks}<polyline class="line" points="{line}"/>{last}'


def _range(values: Sequence[float]) -> tuple[float, float]:
    """From where to where a chart reaches."""
    low, high = min(values), max(values)
    more = max(LEAST * max(abs(low), abs(high)) - (high - low), 0) / 2
    return low - more, high + more


def _change(series: Series, change: Change) -> str:
    """A line with its kind in words beside it, where the series does not run."""
    kind, across = "worse" if change.is_worse else "better", _across(change.point.at, len(series.points))
    rises = change.point.after > change.point.before
    wide = len(kind) * LETTER
    left = across > wide if rises else across + wide > WIDTH
    place, anchor = (across - 3, "end") if left else (across + 3, "start")
    down = 10 if left == rises else HEIGHT - 3
    label = f'<text x="{place:.1f}" y="{down}" text-anchor="{anchor}">{kind}</text>'
    return _mark(across, kind, sentence(series, change)) + label


def _mark(across: float, kind: str, title: str) -> str:
    line = f'x1="{across:.1f}" x2="{across:.1f}" y1="0" y2="{HEIGHT}"'
    return f'<line class="{kind}" {line}><title>{escape(title)}</title></line>'


def _across(number: int, count: int) -> float:
    return EDGE + (WIDTH - 2 * EDGE) * number / max(count - 1, 1)


def _down(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * share

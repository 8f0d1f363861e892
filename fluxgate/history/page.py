"""The page of history: small charts of every series, a mark where it changed and where the stack did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from fluxgate.history.series import Change, Series, creep_sentence, in_words, sentence

WIDTH, HEIGHT, EDGE = 240, 64, 6
STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2rem;color:#222;background:#fff}h2{margin-top:2rem}
.charts{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;width:240px}figcaption{font-size:13px}
svg{background:#f6f6f4}.line{fill:none;stroke:#2a5d8f;stroke-width:1.5}.dot{fill:#2a5d8f}
.worse{stroke:#b3261e;stroke-width:2}.better{stroke:#2e7d32;stroke-width:2}.moved{stroke:#bbb;stroke-dasharray:2 2}
@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#ddd}svg{background:#262626}
.line{stroke:#8ab8e6}.dot{fill:#8ab8e6}}"""


def page(series: Sequence[Series]) -> str:
    """The whole page; it needs no script and nothing from elsewhere."""
    return "\n".join(_lines(series))


def _lines(series: Sequence[Series]) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>History</title>'
    yield f"<style>{STYLE}</style></head><body><h1>History</h1>"
    changes = [(one, change) for one in series for change in one.changes]
    yield f"<p>{len(series)} series, {len(changes)} change points. A dashed line: the stack moved there.</p><ul>"
    for one, change in sorted(changes, key=lambda pair: pair[1].at, reverse=True):
        yield f"<li>{'Worse' if change.is_worse else 'Better'}: {escape(sentence(one, change))}</li>"
    for one in series:
        if one.creep is not None:
            yield f"<li>{'Worse' if one.creeps_worse else 'Better'}: {escape(creep_sentence(one, one.creep))}</li>"
    yield "</ul>"
    for title in dict.fromkeys((one.machine, one.case) for one in series):
        yield f"<h2>{escape(title[1])}</h2><p>{escape(title[0])}</p><div class=charts>"
        yield from (_chart(one) for one in series if (one.machine, one.case) == title)
        yield "</div>"
    yield "</body></html>"


def _chart(series: Series) -> str:
    values = series.values
    low, high = min(values), max(values)
    places = [(_across(number, len(values)), _down(value, low, high)) for number, value in enumerate(values)]
    moved = [n for n in range(1, len(values)) if series.points[n].stack != series.points[n - 1].stack]
    marks = "".join(_mark(_across(number, len(values)), "moved", "the stack moved") for number in moved)
    marks += "".join(_change(series, change) for change in series.changes)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    last = f'<circle class="dot" cx="{places[-1][0]:.1f}" cy="{places[-1][1]:.1f}" r="2.5"/>'
    span = f"{in_words(series.figure, low)} to {in_words(series.figure, high)}"
    about = escape(f"{series.figure}: {in_words(series.figure, values[-1])} ({span}, n = {len(values)})")
    drawn = f'{marks}<polyline class="line" points="{line}"/>{last}'
    label = f'role="img" aria-label="{escape(series.figure, quote=True)}"'
    svg = f'<svg width="{WIDTH}" height="{HEIGHT}" {label}>{drawn}</svg>'
    return f"<figure>{svg}<figcaption>{about}</figcaption></figure>"


def _change(series: Series, change: Change) -> str:
    kind = "worse" if change.is_worse else "better"
    return _mark(_across(change.point.at, len(series.points)), kind, sentence(series, change))


def _mark(across: float, kind: str, title: str) -> str:
    line = f'x1="{across:.1f}" x2="{across:.1f}" y1="0" y2="{HEIGHT}"'
    return f'<line class="{kind}" {line}><title>{escape(title)}</title></line>'


def _across(number: int, count: int) -> float:
    return EDGE + (WIDTH - 2 * EDGE) * number / max(count - 1, 1)


def _down(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * share

"""Draws docs/trade-off.svg: seconds against memory, and how alike the pictures are, of what ships with Fluxgate.

    python -m docs.trade_off            # writes it
    python -m docs.trade_off --check    # exit code 1 if it is not of today's measurements

Likeness is told by the mark's shape and by how much of it is filled, so that nobody needs to see colour."""

from __future__ import annotations

import math
import sys
from html import escape
from pathlib import Path

from fluxgate.report.shipped import Measurement, Shipped, shipped

FILE = Path(__file__).with_name("trade-off.svg")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, FOOT = 960, 600, 64, 24, 62, 52
MOST = 42.0  # GB across; full-float32, which needs 74, is left out
SECONDS = (8.0, 1200.0)  # up, logarithmic
CARDS = (8, 12, 16, 24, 32, 40)
LETTER, LINE = 6.3, 11.0  # units that a letter takes at most, and a label's height
# Those that say the same of somebody's card as another one: loaded again, by hand, through another call.
TWINS = {"nf4-pipeline", "nf4-linear", "nf4-reloaded", "int8-reloaded", "int8-t5-reloaded", "full-float32"}
MARKS = {  # the least likeness -> its name and its path around the origin
    1.0: ("to the pixel", "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z"),
    0.99: ("SSIM 0.99 or more", "M0-7L7 0L0 7L-7 0z"),
    0.95: ("0.95 or more", "M0-7L7 6H-7z"),
    0.0: ("less", "M-6-6H6V6H-6z"),
}
STYLE = """
svg{font:11px system-ui,sans-serif;background:#fff}
text{fill:#1a1a1a}.tick{fill:#555}.grid{stroke:#ddd}.card{stroke:#888;stroke-dasharray:2 4}
.mark{stroke:#0b5394;stroke-width:1.6;fill:#fff}.pixel{fill:#0b5394}h1,.head{font-size:14px;font-weight:600}
"""


def x_of(gigabytes: float) -> float:
    return LEFT + gigabytes / MOST * (WIDTH - LEFT - RIGHT)


def y_of(seconds: float) -> float:
    low, high = (math.log10(each) for each in SECONDS)
    return HEIGHT - FOOT - (math.log10(seconds) - low) / (high - low) * (HEIGHT - FOOT - TOP)


def mark_of(likeness: float) -> float:
    """The class of a likeness: its least."""
    return next(least for least in MARKS if likeness >= least)


def mark(least: float, x: float, y: float) -> str:
    kind = "mark pixel" if least == 1 else "mark"
    return f'<path class="{kind}" d="{MARKS[least][1]}" transform="translate({x:.1f} {y:.1f})"/>'


def text(words: str, x: float, y: float, *, anchor: str = "start", kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text{attribute} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def drawn(found: Shipped) -> str:
    shown = [one for one in found.strategies if one.strategy not in TWINS]
    places = {one.strategy: (x_of(one.reserved / 1e9), y_of(one.seconds)) for one in shown}
    about = f"Seconds of one picture against GPU memory of {len(shown)} strategies"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{about}">',
        f"<style>{STYLE}</style>",
        text(
            f"FLUX.1-dev's shapes on an H100: {found.width}×{found.height}, {found.steps} steps", LEFT, 20, kind="head"
        ),
        *legend(),
        *axes(),
    ]
    for one in sorted(shown, key=lambda one: one.strategy):
        parts.append(f"<g><title>{escape(words(one))}</title>{mark(mark_of(one.likeness), *places[one.strategy])}</g>")
    parts += labels(shown, places)
    return "\n".join([*parts, "</svg>"]) + "\n"


def words(one: Measurement) -> str:
    return f"{one.strategy}: {one.reserved / 1e9:.2f} GB, {one.seconds:.1f} s, SSIM to full {one.likeness:g}"


def legend() -> list[str]:
    parts, x = [], float(LEFT) + 6
    for least, (name, _) in MARKS.items():
        parts += [mark(least, x, 38), text(name, x + 12, 42)]
        x += len(name) * LETTER + 44
    return [*parts, text("dashed: GB that cards are sold with; left and down is better", x, 42, kind="tick")]


def axes() -> list[str]:
    parts = []
    for seconds in (10, 20, 50, 100, 200, 500, 1000):
        y = y_of(seconds)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(text(f"{seconds} s", LEFT - 8, y + 4, anchor="end", kind="tick"))
    for card in CARDS:
        x = x_of(card)
        parts.append(f'<line class="card" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - FOOT}"/>')
        parts.append(text(f"{card}", x, HEIGHT - FOOT + 16, anchor="middle", kind="tick"))
    end = text("GB of GPU memory, reserved by torch", WIDTH - RIGHT, HEIGHT - 14, anchor="end", kind="tick")
    return [*parts, end]


def labels(shown: list[Measurement], places: dict[str, tuple[float, float]]) -> list[str]:
    """A label for each mark, at the first place around it that is free; what has none keeps its title."""
    taken = [(x - 8, y - 8, x + 8, y + 8) for x, y in places.values()]
    parts = []
    for one in sorted(shown, key=lambda one: (-one.likeness, one.seconds)):
        x, y = places[one.strategy]
        wide = len(one.strategy) * LETTER
        for dx, dy, anchor in around():
            left = x + dx - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
            box = (left, y + dy - LINE + 2, left + wide, y + dy + 2)
            if box[0] > LEFT and box[2] < WIDTH - 4 and box[1] > TOP and not any(touch(box, each) for each in taken):
                taken.append(box)
                parts.append(text(one.strategy, x + dx, y + dy, anchor=anchor))
                break
    return parts


def around() -> list[tuple[float, float, str]]:
    near = [(11.0, 4.0, "start"), (-11.0, 4.0, "end"), (0.0, -11.0, "middle"), (0.0, 19.0, "middle")]
    return near + [(dx, dy, "start" if dx > 0 else "end") for dy in (-9.0, 16.0, -20.0, 28.0) for dx in (10.0, -10.0)]


def touch(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


if __name__ == "__main__":
    picture = drawn(shipped())
    if "--check" in sys.argv[1:]:
        sys.exit(0 if FILE.read_text() == picture else f"{FILE} is outdated: run python -m docs.trade_off")
    FILE.write_text(picture)

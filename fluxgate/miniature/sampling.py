"""Random scenes: which things a scene shall hold, and a place for each without overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluxgate.miniature.boxes import Box, frame
from fluxgate.miniature.picnic import picnic
from fluxgate.miniature.scenes import (
    AIRBORNE,
    COLOURS_OF,
    HEIGHTS,
    KINDS,
    MAGIC,
    NIGHTLY,
    SETTINGS,
    SHAPES,
    SIZES,
    Group,
    Scene,
)

MOST_THINGS = 7
MOST_OF: dict[str, int] = {
    "fox": 3, "rabbit": 3, "mushroom": 4, "teacup": 4, "tree": 2, "house": 2, "flower": 4, "balloon": 4,
    "moon": 1, "star": 5, "firefly": 5, "blanket": 1,
}  # fmt: skip


@dataclass(frozen=True)
class _Wish:
    kind: str
    colour: str
    count: int
    size: str
    low: float = 0.0
    high: float = 1.0


def sample(rng: np.random.Generator, *, aspect: float = 1.0) -> Scene:
    """Draw a random scene for a frame of this width over height."""
    if rng.random() < (0.5 if aspect > 1.5 else 0.1):
        return picnic(rng, aspect=aspect)
    setting = str(rng.choice(SETTINGS, p=(0.19, 0.17, 0.19, 0.18, 0.17, 0.1)))
    night = setting == MAGIC or bool(rng.random() < 0.5)
    wishes = _wishes(rng, night=night, roomy=aspect > 1.3)
    groups = _lay_out(rng, wishes, aspect=aspect)
    return Scene(groups, setting, night, False, int(rng.integers(1 << 31)), aspect)


def _wishes(rng: np.random.Generator, *, night: bool, roomy: bool) -> list[_Wish]:
    """What the scene would like to hold, most space-hungry first."""
    number = int(rng.choice([1, 2, 3, 4], p=(0.1, 0.35, 0.35, 0.2) if roomy else (0.18, 0.42, 0.28, 0.12)))
    kinds = [kind for kind in KINDS if kind != "blanket" and (night or kind not in NIGHTLY)]
    weights = np.array([1.6 if kind == "fox" else 1.0 for kind in kinds])
    chosen = list(rng.choice(kinds, size=number, replace=False, p=weights / weights.sum()))
    if all(kind in AIRBORNE for kind in chosen):
        chosen[0] = str(rng.choice(["fox", "rabbit", "mushroom", "teacup", "tree", "house", "flower"]))
    twin = [kind for kind in chosen if kind in ("mushroom", "teacup", "flower", "balloon", "fox", "rabbit")]
    if twin and number < 4 and rng.random() < 0.2:
        chosen.append(twin[0])
    wishes: list[_Wish] = []
    for kind in chosen:
        wishes.append(_wish(rng, str(kind), wishes))
    wishes = _capped(wishes)
    wishes.sort(key=lambda wish: -HEIGHTS[wish.kind][0])
    return _spread(rng, wishes)


def _wish(rng: np.random.Generator, kind: str, others: list[_Wish]) -> _Wish:
    taken = {wish.colour for wish in others if wish.kind == kind}
    free = [colour for colour in COLOURS_OF[kind] if colour not in taken]
    colour = free[0] if kind == "fox" and rng.random() < 0.3 else str(rng.choice(free))
    odds = np.array([0.45, 0.25, 0.17, 0.08, 0.05])[: MOST_OF[kind]]
    if kind in ("firefly", "star"):
        odds = np.array([0.1, 0.15, 0.25, 0.25, 0.25])
    count = int(rng.choice(len(odds), p=odds / odds.sum())) + 1
    size = str(rng.choice(SIZES, p=(0.18, 0.64, 0.18))) if len(HEIGHTS[kind]) > 1 else ""
    return _Wish(kind, colour, count, "" if size == "big" and count > 2 else size)


def _capped(wishes: list[_Wish]) -> list[_Wish]:
    """The same wishes with counts lowered until the scene holds no more than a small model can place."""
    counts = [wish.count for wish in wishes]
    while sum(counts) > MOST_THINGS:
        counts[int(np.argmax(counts))] -= 1
    return [_Wish(w.kind, w.colour, count, w.size) for w, count in zip(wishes, counts, strict=True)]


def _spread(rng: np.random.Generator, wishes: list[_Wish]) -> list[_Wish]:
    """Give two groups a side each, often, so that 'left of' and 'right of' have something to say."""
    if len(wishes) < 2 or rng.random() > 0.65:
        return wishes
    a, b = rng.permutation(len(wishes))[:2]
    edges = {int(a): (0.0, 0.5), int(b): (0.5, 1.0)}
    spans = [edges.get(i, (0.0, 1.0)) for i in range(len(wishes))]
    return [_Wish(w.kind, w.colour, w.count, w.size, *span) for w, span in zip(wishes, spans, strict=True)]


def _lay_out(rng: np.random.Generator, wishes: list[_Wish], *, aspect: float) -> tuple[Group, ...]:
    """Place the wishes without overlap; wishes that find no room become fewer, then go."""
    while True:
        for _ in range(6):
            groups = _attempt(rng, wishes, aspect=aspect)
            if groups:
                return groups
        wishes = _fewer(wishes)


def _fewer(wishes: list[_Wish]) -> list[_Wish]:
    most = max(range(len(wishes)), key=lambda i: (wishes[i].count, -i))
    wish = wishes[most]
    if wish.count > 1:
        fewer = _Wish(wish.kind, wish.colour, wish.count - 1, wish.size, wish.low, wish.high)
        return [*wishes[:most], fewer, *wishes[most + 1 :]]
    if len(wishes) > 1:
        return wishes[:-1]
    return [_Wish(wish.kind, wish.colour, 1, "")]


def _attempt(rng: np.random.Generator, wishes: list[_Wish], *, aspect: float) -> tuple[Group, ...] | None:
    boxes: list[Box] = []
    groups = []
    for wish in wishes:
        mine = _place(rng, wish, boxes, aspect=aspect)
        if mine is None:
            return None
        boxes += mine
        groups.append(_group(wish, mine, aspect=aspect))
    return tuple(groups)


def _place(rng: np.random.Generator, wish: _Wish, taken: list[Box], *, aspect: float) -> list[Box] | None:
    mine: list[Box] = []
    heights = HEIGHTS[wish.kind]
    base = heights[SIZES.index(wish.size)] if len(heights) > 1 else heights[0]
    foot = float(rng.uniform(0.7, 0.94))
    for _ in range(30):
        box = _try(rng, wish, base * float(rng.uniform(0.94, 1.06)), foot, aspect=aspect)
        if box and not any(box.meets(other, gap=0.025) for other in taken + mine):
            mine.append(box)
        if len(mine) == wish.count:
            return mine
    return None


def _try(rng: np.random.Generator, wish: _Wish, tall: float, foot: float, *, aspect: float) -> Box | None:
    """One random place for one thing; grounded things of a group stand at about the same depth."""
    width, height = frame(aspect)
    half = tall * SHAPES[wish.kind] / 2
    low, high = wish.low * width + half + 0.015, wish.high * width - half - 0.015
    if high <= low:
        return None
    if wish.kind in AIRBORNE:
        roof = 0.04 * height + tall / 2
        floor = (0.7 if wish.kind == "firefly" else 0.5) * height - tall / 2
        y = float(rng.uniform(roof, max(floor, roof + 0.01)))
    else:
        y = min(foot + float(rng.uniform(-0.05, 0.05)), 0.975) * height - tall / 2
    return Box(float(rng.uniform(low, high)), y, tall, wish.kind)


def _group(wish: _Wish, boxes: list[Box], *, aspect: float) -> Group:
    width, height = frame(aspect)
    xs = tuple(round(box.x / width, 4) for box in boxes)
    ys = tuple(round(box.y / height, 4) for box in boxes)
    return Group(wish.kind, wish.colour, len(boxes), wish.size, xs, ys, tuple(round(box.height, 4) for box in boxes))

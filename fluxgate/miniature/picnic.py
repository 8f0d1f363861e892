"""The picnic of the blog post: a scene with places of its own, varied a little."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fluxgate.miniature.boxes import Box, frame
from fluxgate.miniature.scenes import COLOURS_OF, HEIGHTS, MAGIC, SHAPES, Group, Scene


def picnic(rng: np.random.Generator, *, aspect: float = 1.0) -> Scene:
    """Foxes around a blanket in a magical forest, with teacups on it, mushrooms beside it and fireflies above."""
    wide = aspect > 1.65
    across = 0.74 if wide else 0.46
    blanket = Box(0.0, 0.845, across / SHAPES["blanket"], "blanket")
    foxes = _picnic_foxes(rng, wide=wide)
    cups = _picnic_cups(rng, wide=wide)
    mushrooms = _picnic_mushrooms(rng, aspect=aspect, wide=wide)
    lights = _picnic_lights(rng, [*foxes, *mushrooms], aspect=aspect)
    parts = {"fox": foxes, "teacup": cups, "mushroom": mushrooms, "firefly": lights, "blanket": [blanket]}
    groups = tuple(
        _picnic_group(kind, boxes, colour, aspect=aspect)
        for (kind, boxes), colour in zip(parts.items(), _picnic_colours(rng, parts), strict=True)
    )
    return Scene(groups, MAGIC, True, True, int(rng.integers(1 << 31)), aspect)


def _picnic_colours(rng: np.random.Generator, kinds: Iterable[str]) -> list[str]:
    """Mostly the blog post's colours; cups never of the blanket's colour, against which they would be lost."""
    favourite = {"fox": "orange", "mushroom": "red", "blanket": "red"}
    chosen = {
        kind: favourite[kind] if kind in favourite and rng.random() < 0.7 else str(rng.choice(COLOURS_OF[kind]))
        for kind in kinds
    }
    if chosen["teacup"] == chosen["blanket"]:
        chosen["teacup"] = str(rng.choice([colour for colour in COLOURS_OF["teacup"] if colour != chosen["blanket"]]))
    return list(chosen.values())


def _picnic_group(kind: str, boxes: list[Box], colour: str, *, aspect: float) -> Group:
    """Turn boxes that count x from the middle and y from the frame's upper edge (in heights) into a group."""
    width, height = frame(aspect)
    xs = tuple(round(0.5 + box.x / width, 4) for box in boxes)
    # Portrait frames keep the picnic at the bottom.
    ys = tuple(round(1 - (1 - box.y) / height, 4) for box in boxes)
    size = "tiny" if kind == "teacup" else ""
    return Group(kind, colour, len(boxes), size, xs, ys, tuple(round(box.height, 4) for box in boxes))


def _jitter(rng: np.random.Generator, amount: float) -> float:
    return float(rng.uniform(-amount, amount))


def _picnic_foxes(rng: np.random.Generator, *, wide: bool) -> list[Box]:
    count = int(rng.choice([3, 4] if wide else [2, 3]))
    outer = 0.55 if wide else 0.355
    tall = 0.34 if wide else 0.27
    xs = [-outer, outer] + ([0.0] if count == 3 else [-0.21, 0.21] if count == 4 else [])
    feet = [0.9, 0.9] + [0.735] * (count - 2)
    sizes = [tall * (1 + _jitter(rng, 0.05)) for _ in xs]
    places = zip(xs, feet, sizes, strict=True)
    return [Box(x + _jitter(rng, 0.015), foot + _jitter(rng, 0.015) - h / 2, h, "fox") for x, foot, h in places]


def _picnic_cups(rng: np.random.Generator, *, wide: bool) -> list[Box]:
    count = int(rng.choice([2, 3] if wide else [2]))
    step = 0.2
    xs = [(i - (count - 1) / 2) * step for i in range(count)]
    return [Box(x + _jitter(rng, 0.012), 0.82 + _jitter(rng, 0.02), 0.115, "teacup") for x in xs]


def _picnic_mushrooms(rng: np.random.Generator, *, aspect: float, wide: bool) -> list[Box]:
    edge = min(0.775, aspect / 2 - 0.11)
    slots = [(-0.4, 0.6), (0.4, 0.6), (-edge, 0.67), (edge, 0.67)] if wide else [(-0.37, 0.575), (0.37, 0.575)]
    count = int(rng.choice([2, 3, 4])) if wide else 2
    picked = sorted(rng.permutation(len(slots))[:count])
    if wide and count == 2:
        picked = [2, 3]
    tall = 0.19 if wide else 0.18
    places = [slots[i] for i in picked]
    return [Box(x + _jitter(rng, 0.015), foot + _jitter(rng, 0.012) - tall / 2, tall, "mushroom") for x, foot in places]


def _picnic_lights(rng: np.random.Generator, taken: list[Box], *, aspect: float) -> list[Box]:
    """Up to five fireflies, wherever the air is free."""
    width, _ = frame(aspect)
    tall = HEIGHTS["firefly"][0]
    mine: list[Box] = []
    goal = int(rng.choice([4, 5]))
    for _ in range(200):
        x = float(rng.uniform(-0.5, 0.5)) * (width - 0.12)
        box = Box(x, float(rng.uniform(0.08, 0.5)), tall, "firefly")
        if not any(box.meets(other, gap=0.03) for other in taken + mine):
            mine.append(box)
        if len(mine) == goal:
            break
    return mine

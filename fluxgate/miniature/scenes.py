"""Storybook scenes: which things stand where, in which colours, in which setting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

COLOURS_OF: dict[str, tuple[str, ...]] = {
    "fox": ("orange", "grey"),
    "rabbit": ("white", "brown"),
    "mushroom": ("red", "yellow", "blue", "purple", "pink"),
    "teacup": ("red", "yellow", "green", "blue", "purple", "pink"),
    "tree": ("green", "orange", "pink"),
    "house": ("red", "yellow", "blue"),
    "flower": ("red", "yellow", "blue", "purple", "pink"),
    "balloon": ("red", "yellow", "green", "blue", "purple", "pink"),
    "moon": ("yellow",),
    "star": ("yellow",),
    "firefly": ("yellow",),
    "blanket": ("red", "blue", "yellow"),
}
KINDS = tuple(COLOURS_OF)
MAGIC = "magical forest"
SETTINGS = ("meadow", "forest", "lake", "snow", "desert", MAGIC)
SIZES = ("tiny", "", "big")
AIRBORNE = frozenset({"balloon", "moon", "star", "firefly"})
NIGHTLY = frozenset({"moon", "star", "firefly"})
MOST_THINGS = 7

# Height of a thing as a share of the frame's shorter side: tiny, plain, big. One number means it has one size only.
HEIGHTS: dict[str, tuple[float, ...]] = {
    "fox": (0.24, 0.33, 0.44),
    "rabbit": (0.22, 0.3, 0.4),
    "mushroom": (0.14, 0.2, 0.31),
    "teacup": (0.11, 0.15, 0.23),
    "tree": (0.31, 0.42, 0.55),
    "house": (0.27, 0.35, 0.46),
    "flower": (0.16, 0.22, 0.31),
    "balloon": (0.18, 0.25, 0.34),
    "moon": (0.18,),
    "star": (0.115,),
    "firefly": (0.085,),
    "blanket": (0.22,),
}
# Width over height of the box each kind is drawn in.
SHAPES: dict[str, float] = {
    "fox": 0.96, "rabbit": 0.66, "mushroom": 1.0, "teacup": 1.3, "tree": 0.8, "house": 0.95, "flower": 0.62,
    "balloon": 0.62, "moon": 0.9, "star": 1.05, "firefly": 1.0, "blanket": 2.6,
}  # fmt: skip
MOST_OF: dict[str, int] = {
    "fox": 3, "rabbit": 3, "mushroom": 4, "teacup": 4, "tree": 2, "house": 2, "flower": 4, "balloon": 4,
    "moon": 1, "star": 5, "firefly": 5, "blanket": 1,
}  # fmt: skip
HORIZON = 0.56


@dataclass(frozen=True)
class Group:
    """Like things of one colour: centres as shares of the frame, heights (scale) as shares of its shorter side."""

    kind: str
    colour: str
    count: int
    size: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    scale: tuple[float, ...]


@dataclass(frozen=True)
class Scene:
    """Everything a drawing shows; the seed moves only what captions never name."""

    groups: tuple[Group, ...]
    setting: str
    night: bool
    picnic: bool
    seed: int
    aspect: float = 1.0


@dataclass(frozen=True)
class Relation:
    """That all things of one group stand clearly so towards all of another; groups by their index in the scene."""

    first: int
    how: str
    second: int


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    height: float
    kind: str

    @property
    def width(self) -> float:
        return self.height * SHAPES[self.kind]

    def meets(self, other: _Box, *, gap: float) -> bool:
        across = abs(self.x - other.x) < (self.width + other.width) / 2 + gap
        return across and abs(self.y - other.y) < (self.height + other.height) / 2 + gap


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


def relations(scene: Scene) -> tuple[Relation, ...]:
    """Every relation between two groups that holds clearly enough to be named."""
    pairs = [(a, b) for a in range(len(scene.groups)) for b in range(len(scene.groups)) if a != b]
    related = ((first, _how(scene.groups[first], scene.groups[second]), second) for first, second in pairs)
    return tuple(Relation(first, how, second) for first, how, second in related if how)


def side(group: Group) -> str | None:
    """'left' or 'right' when all of the group is clearly on that side of the frame."""
    if max(group.x) < 0.4:
        return "left"
    return "right" if min(group.x) > 0.6 else None


def _how(first: Group, second: Group) -> str | None:
    if max(first.x) < min(second.x) - 0.12:
        return "left of"
    if min(first.x) > max(second.x) + 0.12:
        return "right of"
    near = abs(float(np.mean(first.x)) - float(np.mean(second.x))) < 0.3
    if near and max(first.y) < min(second.y) - 0.2:
        return "above"
    return "below" if near and min(first.y) > max(second.y) + 0.2 else None


def _frame(aspect: float) -> tuple[float, float]:
    """Width and height in units of the shorter side."""
    return max(aspect, 1.0), max(1 / aspect, 1.0)


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
    boxes: list[_Box] = []
    groups = []
    for wish in wishes:
        mine = _place(rng, wish, boxes, aspect=aspect)
        if mine is None:
            return None
        boxes += mine
        groups.append(_group(wish, mine, aspect=aspect))
    return tuple(groups)


def _place(rng: np.random.Generator, wish: _Wish, taken: list[_Box], *, aspect: float) -> list[_Box] | None:
    mine: list[_Box] = []
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


def _try(rng: np.random.Generator, wish: _Wish, tall: float, foot: float, *, aspect: float) -> _Box | None:
    """One random place for one thing; grounded things of a group stand at about the same depth."""
    width, height = _frame(aspect)
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
    return _Box(float(rng.uniform(low, high)), y, tall, wish.kind)


def _group(wish: _Wish, boxes: list[_Box], *, aspect: float) -> Group:
    width, height = _frame(aspect)
    xs = tuple(round(box.x / width, 4) for box in boxes)
    ys = tuple(round(box.y / height, 4) for box in boxes)
    return Group(wish.kind, wish.colour, len(boxes), wish.size, xs, ys, tuple(round(box.height, 4) for box in boxes))


def picnic(rng: np.random.Generator, *, aspect: float = 1.0) -> Scene:
    """Foxes around a blanket in a magical forest, with teacups on it, mushrooms beside it and fireflies above."""
    wide = aspect > 1.65
    across = 0.74 if wide else 0.46
    blanket = _Box(0.0, 0.845, across / SHAPES["blanket"], "blanket")
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


def _picnic_group(kind: str, boxes: list[_Box], colour: str, *, aspect: float) -> Group:
    """Turn boxes that count x from the middle and y from the frame's upper edge (in heights) into a group."""
    width, height = _frame(aspect)
    xs = tuple(round(0.5 + box.x / width, 4) for box in boxes)
    # Portrait frames keep the picnic at the bottom.
    ys = tuple(round(1 - (1 - box.y) / height, 4) for box in boxes)
    size = "tiny" if kind == "teacup" else ""
    return Group(kind, colour, len(boxes), size, xs, ys, tuple(round(box.height, 4) for box in boxes))


def _jitter(rng: np.random.Generator, amount: float) -> float:
    return float(rng.uniform(-amount, amount))


def _picnic_foxes(rng: np.random.Generator, *, wide: bool) -> list[_Box]:
    count = int(rng.choice([3, 4] if wide else [2, 3]))
    outer = 0.55 if wide else 0.355
    tall = 0.34 if wide else 0.27
    xs = [-outer, outer] + ([0.0] if count == 3 else [-0.21, 0.21] if count == 4 else [])
    feet = [0.9, 0.9] + [0.735] * (count - 2)
    sizes = [tall * (1 + _jitter(rng, 0.05)) for _ in xs]
    places = zip(xs, feet, sizes, strict=True)
    return [_Box(x + _jitter(rng, 0.015), foot + _jitter(rng, 0.015) - h / 2, h, "fox") for x, foot, h in places]


def _picnic_cups(rng: np.random.Generator, *, wide: bool) -> list[_Box]:
    count = int(rng.choice([2, 3] if wide else [2]))
    step = 0.2
    xs = [(i - (count - 1) / 2) * step for i in range(count)]
    return [_Box(x + _jitter(rng, 0.012), 0.82 + _jitter(rng, 0.02), 0.115, "teacup") for x in xs]


def _picnic_mushrooms(rng: np.random.Generator, *, aspect: float, wide: bool) -> list[_Box]:
    edge = min(0.775, aspect / 2 - 0.11)
    slots = [(-0.4, 0.6), (0.4, 0.6), (-edge, 0.67), (edge, 0.67)] if wide else [(-0.37, 0.575), (0.37, 0.575)]
    count = int(rng.choice([2, 3, 4])) if wide else 2
    picked = sorted(rng.permutation(len(slots))[:count])
    if wide and count == 2:
        picked = [2, 3]
    tall = 0.19 if wide else 0.18
    places = [slots[i] for i in picked]
    return [
        _Box(x + _jitter(rng, 0.015), foot + _jitter(rng, 0.012) - tall / 2, tall, "mushroom") for x, foot in places
    ]


def _picnic_lights(rng: np.random.Generator, taken: list[_Box], *, aspect: float) -> list[_Box]:
    """Up to five fireflies, wherever the air is free."""
    width, _ = _frame(aspect)
    tall = HEIGHTS["firefly"][0]
    mine: list[_Box] = []
    goal = int(rng.choice([4, 5]))
    for _ in range(200):
        x = float(rng.uniform(-0.5, 0.5)) * (width - 0.12)
        box = _Box(x, float(rng.uniform(0.08, 0.5)), tall, "firefly")
        if not any(box.meets(other, gap=0.03) for other in taken + mine):
            mine.append(box)
        if len(mine) == goal:
            break
    return mine

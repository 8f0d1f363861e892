"""Storybook scenes: which things stand where, in which colours, in which setting."""

from __future__ import annotations

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

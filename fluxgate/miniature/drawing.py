"""The storybook's pictures: scenes painted with ink outlines over soft, uninked backdrops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fluxgate.miniature.backdrops import backdrop
from fluxgate.miniature.scenes import Group, Scene
from fluxgate.miniature.things import sprite

Picture = NDArray[np.uint8]

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Placed:
    """One thing as it is pasted: its RGBA picture, and where in the frame the picture's upper left corner lies."""

    group: Group
    picture: Image.Image
    x: int
    y: int


def saturation_of(guidance: float) -> float:
    """The colour saturation a guidance value stands for; 3.5 is the colours as painted."""
    return float(np.interp(guidance, [1.0, 3.5, 6.0], [0.4, 1.0, 1.5]))


def draw(scene: Scene, *, width: int, height: int, saturation: float = 1.0) -> Picture:
    """Paint a scene as an RGB picture of any size."""
    canvas = Image.fromarray(backdrop(scene.setting, night=scene.night, seed=scene.seed, width=width, height=height))
    for one in placed(scene, width=width, height=height):
        canvas.paste(one.picture, (one.x, one.y), one.picture)
    return saturated(np.asarray(canvas), saturation=saturation)


def placed(scene: Scene, *, width: int, height: int) -> Iterator[Placed]:
    """Every thing of a scene in a frame of this size, back to front: later ones cover earlier ones."""
    for group, index in _back_to_front(scene):
        tall = max(4, round(group.scale[index] * min(width, height)))
        turned = group.kind in ("fox", "teacup", "rabbit") and bool((scene.seed >> (index + len(group.kind))) & 1)
        if scene.picnic and group.kind == "fox":
            turned = group.x[index] > 0.5  # tails point outwards, away from the blanket
        picture = sprite(group.kind, group.colour, tall=tall, turned=turned, night=scene.night)
        x = round(group.x[index] * width - picture.width / 2)
        y = round(group.y[index] * height - picture.height / 2)
        yield Placed(group, picture, x, y)


def saturated(picture: Picture, *, saturation: float) -> Picture:
    """Move every colour towards its grey (below 1) or away from it (above 1)."""
    if saturation == 1.0:
        return picture
    colours = picture.astype(np.float32)
    grey = (colours @ LUMA)[..., None]
    return np.clip(grey + saturation * (colours - grey) + 0.5, 0, 255).astype(np.uint8)


def _back_to_front(scene: Scene) -> list[tuple[Group, int]]:
    things = [(group, index) for group in scene.groups for index in range(group.count)]
    order = {"blanket": 0, "firefly": 2}
    feet = [group.y[i] + group.scale[i] / 2 * min(1.0, scene.aspect) for group, i in things]
    ranks = sorted(range(len(things)), key=lambda k: (order.get(things[k][0].kind, 1), feet[k]))
    return [things[k] for k in ranks]

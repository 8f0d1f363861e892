"""The boxes that the things of a scene are drawn in."""

from __future__ import annotations

from fluxgate.miniature.scenes import SHAPES, Group


def bounds(group: Group, index: int, *, aspect: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of one thing, as shares of the frame."""
    width, height = max(aspect, 1.0), max(1 / aspect, 1.0)
    tall = group.scale[index]
    across = tall * SHAPES[group.kind] / width / 2
    up = tall / height / 2
    x, y = group.x[index], group.y[index]
    return x - across, y - up, x + across, y + up

"""Strips: pictures side by side for a person, what was expected, what came, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from fluxgate.compare.likeness import flip_map
from fluxgate.pictures import Pixels, rgb

GAP = 8  # pixels around a picture
TITLE = 18  # pixels above a column
PAPER, INK = (245, 245, 245), (40, 40, 40)
SEEN, AMPLIFIED = "where it shows (FLIP)", "difference, amplified"

Columns = Mapping[str, Pixels | None]  # title -> the picture below it, or nothing


def columns(expected: Pixels | None, actual: Pixels) -> Columns:
    """Both pictures, where a viewer sees them differ, and their difference stretched to full contrast."""
    before, after = None if expected is None else rgb(expected), rgb(actual)
    drawn = {"expected": before, "actual": after}
    if before is None or before.shape != after.shape:
        return {**drawn, SEEN: None, AMPLIFIED: None}
    gap = np.abs(before.astype(np.int16) - after.astype(np.int16))
    return {**drawn, SEEN: rgb(_stretched(flip_map(before, after))), AMPLIFIED: _stretched(gap / max(gap.max(), 1))}


def side_by_side(rows: Sequence[Columns]) -> Pixels:
    """A page with a row for each pair of pictures, under the titles of the first."""
    width = max(one.shape[1] for row in rows for one in row.values() if one is not None) + GAP
    heights = [max(one.shape[0] for one in row.values() if one is not None) + GAP for row in rows]
    page = Image.new("RGB", (GAP + width * len(rows[0]), TITLE + sum(heights)), PAPER)
    pen = ImageDraw.Draw(page)
    for place, title in enumerate(rows[0]):
        pen.text((GAP + place * width, 3), title, fill=INK)
    for row, top in zip(rows, accumulate(heights, initial=TITLE), strict=False):
        for place, pixels in enumerate(row.values()):
            if pixels is not None:
                page.paste(Image.fromarray(pixels), (GAP + place * width, top))
    return np.asarray(page)


def _stretched(shares: npt.NDArray[np.floating[Any]]) -> Pixels:
    """Values from 0 to 1 as levels of 255."""
    levels: Pixels = (np.clip(shares, 0, 1) * 255 + 0.5).astype(np.uint8)
    return levels

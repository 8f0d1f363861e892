"""What changes when facts are accepted, in words and as pictures side by side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from fluxgate.amounts import amount
from fluxgate.baselines.baseline import AcceptedCase
from fluxgate.pictures import Pixels
from fluxgate.rendering import STAGES, Fingerprint, Inventory

GAP = 8  # pixels between two pictures
TITLE = 18  # pixels above them
PAPER = (245, 245, 245)


def words(old: AcceptedCase | None, new: AcceptedCase) -> Iterator[str]:
    """Every difference that matters to a person, one sentence each; pictures are told elsewhere."""
    if old is None:
        return
    yield from _stack_words(old.accepted.stack, new.accepted.stack)
    yield from _stage_words(old.fingerprints, new.fingerprints)
    yield from _inventory_words(old.inventory, new.inventory)


def differs(old: Pixels, new: Pixels) -> bool:
    return not np.array_equal(old, new)


def picture_words(old: Pixels | None, new: Pixels) -> str:
    """How one picture changes: how many pixels, by how much, where first."""
    if old is None:
        return "is new"
    if old.shape != new.shape:
        return f"becomes {_size(new)}, it was {_size(old)}"
    gap = np.abs(old.astype(np.int16) - new.astype(np.int16))
    changed = gap if gap.ndim == 2 else gap.max(axis=2)
    rows, columns = np.nonzero(changed)
    if not rows.size:
        return "stays"
    where = f"first at row {rows[0]}, column {columns[0]}"
    return f"changes in {rows.size:,} of {changed.size:,} pixels, by at most {changed.max()} of 255, {where}"


def side_by_side(rows: list[tuple[Pixels | None, Pixels]]) -> Pixels:
    """Old, new and ten times their difference: a row for each picture of a shot."""
    strips = [_strip(old, new) for old, new in rows]
    width = max(strip.width for strip in strips)
    page = Image.new("RGB", (width, TITLE + sum(strip.height + GAP for strip in strips)), PAPER)
    pen, column = ImageDraw.Draw(page), strips[0].width // 3
    for place, title in enumerate(("old", "new", "difference, tenfold")):
        pen.text((GAP + place * column, 3), title, fill=(40, 40, 40))
    top = TITLE
    for strip in strips:
        page.paste(strip, (0, top))
        top += strip.height + GAP
    return np.asarray(page)


def _strip(old: Pixels | None, new: Pixels) -> Image.Image:
    shown = [None if old is None else _coloured(old), _coloured(new), None]
    if old is not None and old.shape == new.shape:
        gap = np.abs(old.astype(np.int16) - new.astype(np.int16))
        shown[2] = _coloured(np.minimum(gap * 10, 255).astype(np.uint8))
    height = max(image.height for image in shown if image)
    width = max(image.width for image in shown if image) + GAP
    strip = Image.new("RGB", (GAP + 3 * width, height), PAPER)
    for place, image in enumerate(shown):
        if image:
            strip.paste(image, (GAP + place * width, 0))
    return strip


def _coloured(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels).convert("RGB")


def _stack_words(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    moved = [f"{name} {old.get(name, 'absent')} → {new.get(name, 'absent')}" for name in sorted(old.keys() | new.keys())
             if old.get(name) != new.get(name)]  # fmt: skip
    if moved:
        yield f"stack: {', '.join(moved)}"


def _stage_words(old: tuple[Fingerprint, ...], new: tuple[Fingerprint, ...]) -> Iterator[str]:
    """For each shot, the first stage that leaves the old one."""
    before = {(p.shot, p.stage): p.sha256 for p in old}
    after = {(p.shot, p.stage): p.sha256 for p in new}
    for shot in dict.fromkeys(p.shot for p in new):
        first = next((s for s in STAGES if before.get((shot, s)) != after.get((shot, s))), None)
        if first:
            yield f"shot {shot!r}: first differs at the {first}"


def _inventory_words(old: Inventory | None, new: Inventory | None) -> Iterator[str]:
    before = old.components if old else {}
    after = new.components if new else {}
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            yield f"{name}: {'appears' if one is None else 'is gone'}"
        elif one.bytes_by_dtype != other.bytes_by_dtype:
            yield f"{name}: {_dtypes(one.bytes_by_dtype)} → {_dtypes(other.bytes_by_dtype)}"
        elif (one.module_classes, one.hooks, one.settings) != (other.module_classes, other.hooks, other.settings):
            yield f"{name}: its modules, hooks or settings change"
        elif one.state_sha256 != other.state_sha256:
            yield f"{name}: its weights change"


def _dtypes(sizes: dict[str, int]) -> str:
    return " + ".join(f"{amount(size)} {dtype}" for dtype, size in sorted(sizes.items())) or "nothing"


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[1]}×{pixels.shape[0]}"

"""The pictures of a page: small ones within it, whole ones beside it, and where two of them differ most."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from enum import Enum
from functools import reduce

import numpy as np
import numpy.typing as npt
from PIL import Image

from fluxgate.compare.facts import Source
from fluxgate.compare.likeness import flip_map
from fluxgate.pictures import Pixels

Levels = npt.NDArray[np.uint8]  # height × width

EDGE = 256  # pixels: the longer edge of what is within the page, where there is room for that
QUALITY = 75  # of WebP: 4 kB for a picture of that size
STRONGEST = 64  # times that a difference is amplified at most
FAST = 1  # of WebP's methods 0 to 6: a quarter less time than with 2, for a third more bytes
TINY = 64 * 64  # pixels: up to so many are kept without loss
# From dark to light, so that it can be read without colour: what matplotlib calls magma, at five places.
HEAT = np.array([(0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191)], dtype=np.float32)


class Whole(Enum):
    """Where the whole pictures of a page are; those within it are small ones otherwise."""

    BESIDE = "in a folder beside it"
    WITHIN = "within it"
    NOWHERE = "left out"


@dataclass(frozen=True)
class Printed:
    """A picture as it is within the page."""

    id: str
    width: int  # of the whole picture
    height: int
    address: str  # a data: address
    file: str | None = None  # its name beside the page; None: what is within the page is all there is


@dataclass(frozen=True)
class Apart:
    """How far two pictures of one size and mode are apart, and where most."""

    changed: float  # share of the pixels
    most: int  # levels of 255
    mean: float
    spot: tuple[int, int]  # column and row of the middle of the worst place
    reach: int  # pixels: the edge of that place


def gap_of(expected: Pixels, actual: Pixels) -> Levels:
    """By how many levels of 255 each pixel differs, in the channel that differs most."""
    gap = np.maximum(expected, actual) - np.minimum(expected, actual)
    return gap if gap.ndim == 2 else reduce(np.maximum, (gap[..., channel] for channel in range(gap.shape[2])))


def apart(expected: Pixels, actual: Pixels, gap: Levels) -> Apart:
    """The worst place is the square, an eighth of the picture wide, in which the levels differ most."""
    reach = max(1, min(gap.shape) // 8)
    row, column = _heaviest(gap, reach)
    return Apart(
        changed=float((gap > 0).mean()),
        most=int(gap.max()),
        mean=float(np.abs(expected.astype(np.int16) - actual).mean()),
        spot=(column + reach // 2, row + reach // 2),
        reach=reach,
    )


def _heaviest(values: Levels, edge: int) -> tuple[int, int]:
    """Row and column of the upper left corner of the square with the largest sum."""
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1), dtype=np.int64)
    table[1:, 1:] = values.cumsum(0, dtype=np.int64).cumsum(1)
    bands = table[edge:] - table[:-edge]
    sums = bands[:, edge:] - bands[:, :-edge]
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(row), int(column)


def id_of(source: Source) -> str:
    """What the page calls a picture."""
    return f"p-{source.sha256[:20]}"


def file_of(source: Source) -> str:
    """The name of a whole picture beside the page."""
    return f"{source.sha256[:20]}.png"


def printed(source: Source, pixels: Pixels, *, edge: int = EDGE, whole: Whole = Whole.BESIDE) -> Printed:
    """A picture for the page: small, or the whole file where that is to be within."""
    height, width = pixels.shape[:2]
    if whole is Whole.WITHIN:
        return Printed(id_of(source), width, height, _address(source.path.read_bytes(), "png"))
    file = file_of(source) if whole is Whole.BESIDE else None
    return Printed(id_of(source), width, height, _address(_small(pixels, edge), "webp"), file)


def printed_sheet(name: str, pixels: Pixels) -> Printed:
    """Thumbnails side by side: there is no whole picture of them."""
    stream = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(stream, format="WEBP", quality=QUALITY, method=FAST)
    height, width = pixels.shape[:2]
    return Printed(name, width, height, _address(stream.getvalue(), "webp"))


def printed_difference(expected: Source, actual: Source, gap: Levels, *, edge: int = EDGE) -> tuple[Printed, int]:
    """How far each pixel is off, so many times as strong that it can be seen; a single pixel stays visible.

    It is drawn from the whole pictures: between small ones, what compression does would be seen."""
    gain = int(min(STRONGEST, 2 ** max(0, math.floor(math.log2(255 / _usual(gap))))))
    levels = np.minimum(_largest(gap, edge).astype(np.uint16) * gain, 255).astype(np.uint8)
    height, width = gap.shape
    name = f"d-{expected.sha256[:10]}{actual.sha256[:10]}"
    return Printed(name, width, height, _address(_small(levels, edge), "webp")), gain


def _usual(gap: Levels) -> int:
    """The level that 99% of the pixels that differ do not exceed."""
    counts = np.bincount(gap.ravel(), minlength=256)
    counts[0] = 0
    return int(np.searchsorted(counts.cumsum(), 0.99 * counts.sum())) if counts.any() else 255


def _largest(values: Levels, edge: int) -> Levels:
    """The values reduced to what the page shows, each the largest of those that it stands for."""
    by = -(-max(values.shape) // edge)
    tall, wide = (-(-side // by) * by for side in values.shape)
    padded = np.pad(values, ((0, tall - values.shape[0]), (0, wide - values.shape[1])))
    reduced: Levels = padded.reshape(tall // by, by, wide // by, by).max(axis=(1, 3))
    return reduced


def printed_map(expected: Source, actual: Source, *, one: Pixels, other: Pixels, edge: int = EDGE) -> Printed:
    """The FLIP map of two pictures, drawn from no more than the page shows of them."""
    seen = flip_map(_reduced(one, edge), _reduced(other, edge))
    places = np.linspace(0, 1, len(HEAT))
    levels = np.stack([np.interp(seen, places, HEAT[:, channel]) for channel in range(3)], axis=2)
    height, width = one.shape[:2]
    name = f"f-{expected.sha256[:10]}{actual.sha256[:10]}"
    return Printed(name, width, height, _address(_small(levels.astype(np.uint8), edge), "webp"))


def _reduced(pixels: Pixels, edge: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).reduce(-(-max(pixels.shape[:2]) // edge)))


def _small(pixels: Pixels, edge: int) -> bytes:
    image = Image.fromarray(pixels)
    if image.mode == "L":
        image = image.convert("RGB")
    image.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, format="WEBP", quality=QUALITY, method=FAST, lossless=image.width * image.height <= TINY)
    return stream.getvalue()


def _address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"

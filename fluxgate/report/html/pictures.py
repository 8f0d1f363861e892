"""The pictures of a page: small ones within it, whole ones beside it, and where two of them differ most."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from fluxgate.compare.facts import Source
from fluxgate.compare.likeness import flip_map
from fluxgate.pictures import Pixels

EDGE = 256  # pixels: the longer edge of what is within the page
QUALITY = 75  # of WebP: 6 kB for a picture of that size
STRONGEST = 64  # times that a difference is amplified at most
TINY = 64 * 64  # pixels: up to so many are kept without loss
# From dark to light, so that it can be read without colour: what matplotlib calls magma, at five places.
HEAT = np.array([(0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191)], dtype=np.float32)


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


def apart(expected: Pixels, actual: Pixels) -> Apart:
    """The worst place is the square, an eighth of the picture wide, in which the levels differ most."""
    gap = np.abs(expected.astype(np.int16) - actual.astype(np.int16))
    flat = gap if gap.ndim == 2 else gap.max(axis=2)
    reach = max(1, min(flat.shape) // 8)
    row, column = _heaviest(flat, reach)
    return Apart(
        changed=float((flat > 0).mean()),
        most=int(flat.max()),
        mean=float(gap.mean()),
        spot=(column + reach // 2, row + reach // 2),
        reach=reach,
    )


def _heaviest(values: npt.NDArray[np.int16], edge: int) -> tuple[int, int]:
    """Row and column of the upper left corner of the square with the largest sum."""
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1), dtype=np.int64)
    table[1:, 1:] = values.cumsum(0, dtype=np.int64).cumsum(1)
    sums = table[edge:, edge:] - table[:-edge, edge:] - table[edge:, :-edge] + table[:-edge, :-edge]
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(row), int(column)


def id_of(source: Source) -> str:
    """What the page calls a picture."""
    return f"p-{source.sha256[:20]}"


def file_of(source: Source) -> str:
    """The name of a whole picture beside the page."""
    return f"{source.sha256[:20]}.png"


def printed(source: Source, pixels: Pixels, *, whole: bool) -> Printed:
    """A picture for the page: small, or the whole file where nothing is to lie beside it."""
    height, width = pixels.shape[:2]
    if whole:
        return Printed(id_of(source), width, height, _address(source.path.read_bytes(), "png"))
    return Printed(id_of(source), width, height, _address(_small(pixels), "webp"), file_of(source))


def printed_difference(expected: Source, actual: Source, *, one: Pixels, other: Pixels) -> tuple[Printed, int]:
    """How far each pixel is off, so many times as strong that it can be seen; a single pixel stays visible.

    It is drawn from the whole pictures: between small ones, what compression does would be seen."""
    gap = np.abs(one.astype(np.int16) - other.astype(np.int16))
    flat = gap if gap.ndim == 2 else gap.max(axis=2)
    usual = float(np.quantile(flat[flat > 0], 0.99)) if flat.any() else 255.0
    gain = int(min(STRONGEST, 2 ** max(0, math.floor(math.log2(255 / usual)))))
    levels = np.minimum(_largest(flat) * gain, 255).astype(np.uint8)
    height, width = one.shape[:2]
    name = f"d-{expected.sha256[:10]}{actual.sha256[:10]}"
    return Printed(name, width, height, _address(_small(levels), "webp")), gain


def _largest(values: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """The values reduced to what the page shows, each the largest of those that it stands for."""
    by = -(-max(values.shape) // EDGE)
    tall, wide = (-(-edge // by) * by for edge in values.shape)
    padded = np.pad(values, ((0, tall - values.shape[0]), (0, wide - values.shape[1])))
    reduced: npt.NDArray[np.int16] = padded.reshape(tall // by, by, wide // by, by).max(axis=(1, 3))
    return reduced


def printed_map(expected: Source, actual: Source, *, one: Pixels, other: Pixels) -> Printed:
    """The FLIP map of two pictures, drawn from no more than the page shows of them."""
    seen = flip_map(_reduced(one), _reduced(other))
    places = np.linspace(0, 1, len(HEAT))
    levels = np.stack([np.interp(seen, places, HEAT[:, channel]) for channel in range(3)], axis=2)
    height, width = one.shape[:2]
    name = f"f-{expected.sha256[:10]}{actual.sha256[:10]}"
    return Printed(name, width, height, _address(_small(levels.astype(np.uint8)), "webp"))


def _reduced(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).reduce(-(-max(pixels.shape[:2]) // EDGE)))


def _small(pixels: Pixels) -> bytes:
    image = Image.fromarray(pixels)
    if image.mode == "L":
        image = image.convert("RGB")
    image.thumbnail((EDGE, EDGE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, format="WEBP", quality=QUALITY, method=2, lossless=image.width * image.height <= TINY)
    return stream.getvalue()


def _address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"

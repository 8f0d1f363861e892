"""Pictures as arrays: hashed exactly, written as PNG, and read back with suspicion."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fluxgate.files import read_limited, write_whole
from fluxgate.refusal import Refusal

Pixels = npt.NDArray[np.uint8]  # height × width × 3 (RGB) or 4 (RGBA), or height × width (L)

LARGEST_FILE = 64_000_000  # bytes
LARGEST_EDGE = 8192  # pixels
MOST_PIXELS = 40_000_000
# How hard to compress. A million pixels take 0.06 s and 0.82 MB, or 0.2 s and 0.65 MB; the most, 9, 2.4 s and 0.60 MB.
QUICKLY, SMALL = 1, 6
_MODES = ("RGB", "RGBA", "L")
_HEADER = struct.Struct(">8sI4sII")  # signature, length and name of the first chunk, width, height
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB\x60\x82"  # the last chunk of every PNG; a file cut short lacks it, and Pillow does not mind


def hash_of(pixels: Pixels) -> str:
    """The sha256 of the exact array, its shape and type included."""
    described = f"{pixels.dtype.str} {pixels.shape} ".encode()
    return hashlib.sha256(described + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def rgb(pixels: Pixels) -> Pixels:
    """The picture in three channels: grey stands in each of them, and transparency is left out."""
    colours: Pixels = np.stack([pixels] * 3, axis=2) if pixels.ndim == 2 else pixels[..., :3]
    return np.ascontiguousarray(colours)


def write_png(path: Path, picture: Pixels | Image.Image, *, effort: int = SMALL) -> None:
    """Write a picture as PNG, whole or not at all."""
    image, stream = picture if isinstance(picture, Image.Image) else Image.fromarray(picture), io.BytesIO()
    image.save(stream, format="PNG", compress_level=effort)
    write_whole(path, stream.getvalue())


def read_png(path: Path) -> Pixels:
    """The pixels of a PNG; whatever is not one, or is too large, is refused in a sentence that names the file."""
    data = read_limited(path, LARGEST_FILE)
    _refuse_by_header(data, path)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
            if image.mode not in _MODES:
                raise Refusal(f"{path} is a picture of mode {image.mode}; only {', '.join(_MODES)} are read.")
            return np.array(image, dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error, Image.DecompressionBombError) as error:
        raise Refusal(f"{path} is a damaged PNG: {error}.") from error


def _refuse_by_header(data: bytes, path: Path) -> None:
    """Look at the size that the file claims before a single pixel is unpacked."""
    if len(data) < _HEADER.size:
        raise Refusal(f"{path} is not a PNG: it has {len(data)} bytes.")
    signature, _, chunk, width, height = _HEADER.unpack_from(data)
    if signature != _SIGNATURE or chunk != b"IHDR":
        raise Refusal(f"{path} is not a PNG.")
    if not (0 < width <= LARGEST_EDGE and 0 < height <= LARGEST_EDGE and width * height <= MOST_PIXELS):
        raise Refusal(f"{path} claims {width:,} × {height:,} pixels; at most {MOST_PIXELS:,} are read.")
    if not data.endswith(_END):
        raise Refusal(f"{path} is a damaged PNG: it was cut short, or something follows its end.")

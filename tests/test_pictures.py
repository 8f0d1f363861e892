"""Pictures as arrays: what is written is read back, and nothing else is read at all."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from fluxgate import pictures
from fluxgate.refusal import Refusal

EDGES = st.integers(1, 12)
SHAPES = st.tuples(EDGES, EDGES) | st.tuples(EDGES, EDGES, st.sampled_from((3, 4)))


@given(pixels=SHAPES.flatmap(lambda shape: arrays(np.uint8, shape)))
def test_any_picture_survives_the_file(tmp_path_factory: pytest.TempPathFactory, pixels: pictures.Pixels) -> None:
    """Grey, RGB and RGBA of any size come back to the bit."""
    path = tmp_path_factory.mktemp("png") / "one.png"
    pictures.write_png(path, pixels)
    assert np.array_equal(pictures.read_png(path), pixels)


def test_the_hash_knows_values_and_shape() -> None:
    """One changed value, or the same values in another shape, is another picture."""
    flat = np.zeros((4, 6, 3), np.uint8)
    other = flat.copy()
    other[3, 5, 2] = 1
    assert len({pictures.hash_of(one) for one in (flat, other, flat.reshape(6, 4, 3), flat[..., 0])}) == 4
    assert pictures.hash_of(flat) == pictures.hash_of(flat.copy(order="F"))


def png(pixels: pictures.Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def bomb(width: int, height: int, rows: int) -> bytes:
    """A small file that claims many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(rows * (1 + 3 * width)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


GOOD = png(np.arange(300, dtype=np.uint16).astype(np.uint8).reshape(10, 10, 3))
PALETTE = io.BytesIO()
Image.new("P", (4, 4)).save(PALETTE, format="PNG")
JPEG = io.BytesIO()
Image.new("RGB", (4, 4)).save(JPEG, format="JPEG")


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "has 0 bytes"),
        (b"no picture at all, but long enough", "is not a PNG"),
        (JPEG.getvalue(), "is not a PNG"),
        (GOOD[:60], "damaged"),
        (GOOD[:-20], "damaged"),
        (GOOD[:50] + b"\xff" + GOOD[51:], "damaged"),
        (bomb(60_000, 60_000, 1), "claims 60,000"),
        (bomb(8000, 8000, 1), "claims 8,000"),
        (bomb(0, 5, 1), "claims 0"),
        (PALETTE.getvalue(), "mode P"),
    ],
    ids=["empty", "text", "jpeg", "cut-early", "cut-late", "changed", "wide", "tall", "nothing", "palette"],
)
def test_what_is_no_sound_picture_is_refused_by_name(tmp_path: Path, data: bytes, said: str) -> None:
    """Empty, truncated, changed, oversized and foreign files each give a sentence with the file's name."""
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(Refusal) as refused:
        pictures.read_png(path)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_file_too_large_is_not_even_opened(tmp_path: Path) -> None:
    """A sparse file of 65 MB is refused by its size."""
    path = tmp_path / "large.png"
    with path.open("wb") as stream:
        stream.truncate(pictures.LARGEST_FILE + 1)
    with pytest.raises(Refusal, match="at most"):
        pictures.read_png(path)

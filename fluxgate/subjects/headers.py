"""The header of a safetensors file: the dtype and the shape of each tensor, without its numbers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

LARGEST_HEADER = 50_000_000  # bytes; those of FLUX.1-dev have some tens of thousands
UNREADABLE = (OSError, ValueError, struct.error, msgspec.MsgspecError)  # what a file that is none raises


class TensorHeader(msgspec.Struct):
    """What a header says of one tensor."""

    dtype: str
    shape: list[int]


def tensor_headers(path: Path) -> Iterator[tuple[str, TensorHeader]]:
    """Every tensor of a file by name."""
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > LARGEST_HEADER:
            raise ValueError(f"{path} claims a header of {length:,} bytes")
        header = msgspec.json.decode(stream.read(length), type=dict[str, msgspec.Raw])
    for name, raw in header.items():
        if name != "__metadata__":
            yield name, msgspec.json.decode(raw, type=TensorHeader)

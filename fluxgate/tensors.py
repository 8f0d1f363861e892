"""Safetensors files in numpy: a header in JSON, then the tensors' bytes. Nothing else is read, and nothing is run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxgate.files import write_whole
from fluxgate.refusal import Refusal

MOST_HEADER = 100_000_000  # bytes, as the format itself allows
# The names of dtypes in a file, and numpy's: bfloat16 and the float8s, which numpy lacks, stay the bits that they are.
DTYPES = {
    "BOOL": "|b1",
    "U8": "|u1",
    "I8": "|i1",
    "I16": "<i2",
    "U16": "<u2",
    "I32": "<i4",
    "U32": "<u4",
    "I64": "<i8",
    "F16": "<f2",
    "BF16": "<u2",
    "F32": "<f4",
    "F64": "<f8",
    "F8_E4M3": "|u1",
    "F8_E5M2": "|u1",
}
NAMES = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64", "int32": "I32", "uint8": "U8"}


@dataclass(frozen=True)
class Tensor:
    """The numbers as they are stored, and what the file calls their dtype."""

    dtype: str
    bits: NDArray[Any]

    @property
    def values(self) -> NDArray[Any]:
        """The numbers, with bfloat16 as the float32 that it is the upper half of."""
        if self.dtype == "BF16":
            return (self.bits.astype(np.uint32) << 16).view(np.float32)
        if self.dtype.startswith("F8"):
            raise Refusal(f"numbers of dtype {self.dtype} are not read here")
        return self.bits


def tensors_in(path: Path, *, most: int | None = None) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a file by name, each read from disk as it is asked for; `most` numbers of each at most."""
    with path.open("rb") as stream:
        start, header = _header(path, stream)
        size = path.stat().st_size - start
        for name, entry in header.items():
            if name != "__metadata__":
                yield name, _read(path, stream, (start, size), name, entry, most)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, by name."""
    return dict(tensors_in(path))


def _header(path: Path, stream: Any) -> tuple[int, dict[str, Any]]:
    """Where the bytes of the tensors start, and the header."""
    length = int.from_bytes(stream.read(8), "little")
    if not 0 < length <= min(MOST_HEADER, path.stat().st_size - 8):
        raise Refusal(f"{path} is no whole safetensors file: its header is missing or cut short")
    try:
        header = json.loads(stream.read(length))
    except ValueError as error:
        raise Refusal(f"{path} is no safetensors file: its header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise Refusal(f"{path} is no safetensors file: its header is not a table")
    return 8 + length, header


def _read(path: Path, stream: Any, data: tuple[int, int], name: str, entry: Any, most: int | None) -> Tensor:
    start, size = data
    try:
        dtype, shape = entry["dtype"], tuple(int(length) for length in entry["shape"])
        begin, end = (int(place) for place in entry["data_offsets"])
        kind = np.dtype(DTYPES[dtype])
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal(f"{path}: tensor {name[:200]!r} is not described as a safetensors file does it") from error
    count = math.prod(shape)
    if min(shape, default=1) < 0 or not 0 <= begin <= end <= size or end - begin != count * kind.itemsize:
        raise Refusal(f"{path}: tensor {name[:200]!r} lies outside of the file, or is of another size than its shape")
    stream.seek(start + begin)
    if most is not None and count > most:
        return Tensor(dtype, np.frombuffer(stream.read(most * kind.itemsize), kind))
    return Tensor(dtype, np.frombuffer(stream.read(end - begin), kind).reshape(shape))


def write_tensors(path: Path, tensors: Mapping[str, Tensor], *, metadata: Mapping[str, str] | None = None) -> None:
    """Write a whole file, or none."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    place = 0
    for name, tensor in tensors.items():
        end = place + tensor.bits.nbytes
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.bits.shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    bytes_of = (np.ascontiguousarray(tensor.bits).tobytes() for tensor in tensors.values())
    write_whole(path, b"".join([len(text).to_bytes(8, "little"), text, *bytes_of]))


def metadata_of(path: Path) -> dict[str, str]:
    """The notes in a file's header."""
    with path.open("rb") as stream:
        metadata = _header(path, stream)[1].get("__metadata__", {})
    return {str(name): str(value) for name, value in metadata.items()}


def stored(values: NDArray[Any]) -> Tensor:
    """A numpy array as it is kept in a file."""
    return Tensor(NAMES[values.dtype.name], values)

"""Safetensors files written tensor by tensor, hashed on the way, under their name only when they are whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fluxgate.miniature.growth.mapping import Planned

AddBytes = Callable[[int], None]  # called with how many more bytes are done
BLOCK = 16_000_000


@dataclass(frozen=True)
class Entry:
    """A file's length and hash."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Shard:
    """One safetensors file to be written."""

    file: str
    tensors: tuple[Planned, ...]

    @property
    def header(self) -> bytes:
        """The length, then names, shapes and places of all tensors, padded so that the numbers are aligned."""
        described: dict[str, object] = {"__metadata__": {"format": "pt"}}
        place = 0
        for tensor in self.tensors:
            end = place + 2 * tensor.count
            described[tensor.name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [place, end]}
            place = end
        text = json.dumps(described, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text

    @property
    def data_bytes(self) -> int:
        return sum(2 * tensor.count for tensor in self.tensors)

    @property
    def bytes(self) -> int:
        return len(self.header) + self.data_bytes


def split(stem: str, tensors: Sequence[Planned], *, most: int) -> tuple[list[Shard], bytes | None]:
    """Shards of at most so many bytes and their index, or one file without an index, named as the libraries do."""
    groups: list[list[Planned]] = [[]]
    room = most
    for tensor in tensors:
        if groups[-1] and 2 * tensor.count > room:
            groups.append([])
            room = most
        groups[-1].append(tensor)
        room -= 2 * tensor.count
    if len(groups) == 1:
        return [Shard(f"{stem}.safetensors", tuple(tensors))], None
    names = [f"{stem}-{number:05}-of-{len(groups):05}.safetensors" for number in range(1, len(groups) + 1)]
    shards = [Shard(name, tuple(group)) for name, group in zip(names, groups, strict=True)]
    return shards, _index(shards)


def _index(shards: Sequence[Shard]) -> bytes:
    places = {tensor.name: shard.file for shard in shards for tensor in shard.tensors}
    total = sum(shard.data_bytes for shard in shards)
    return json.dumps({"metadata": {"total_size": total}, "weight_map": places}, indent=2, sort_keys=True).encode()


def write_shard(shard: Shard, path: Path, report: AddBytes) -> Entry:
    """Write a whole shard; its length is checked against what its header promises."""
    return write_stream(path, _blocks(shard), promised=shard.bytes, report=report)


def write_stream(path: Path, blocks: Iterator[memoryview], *, promised: int, report: AddBytes) -> Entry:
    """Write blocks beside the path, hashing each in another thread, then put the file in its place."""
    unfinished = path.with_name(path.name + ".unfinished")
    digest = hashlib.sha256()
    try:
        with unfinished.open("wb", buffering=0) as stream, ThreadPoolExecutor(1) as hasher:
            for block in blocks:
                hashed = hasher.submit(digest.update, block)
                _write_all(stream.fileno(), block)
                hashed.result()
                report(block.nbytes)
            written = stream.tell()
            if written != promised:
                raise AssertionError(f"{path.name} has {written} bytes, not {promised}")
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return Entry(written, digest.hexdigest())


def _blocks(shard: Shard) -> Iterator[memoryview]:
    yield memoryview(shard.header)
    for tensor in shard.tensors:
        for piece in tensor.pieces():
            flat = memoryview(piece.reshape(-1).data).cast("B")  # copies only what is not contiguous
            for start in range(0, len(flat), BLOCK):
                yield flat[start : start + BLOCK]


def _write_all(handle: int, block: memoryview) -> None:
    while block:
        block = block[os.write(handle, block) :]


def entry_of(path: Path, report: AddBytes) -> Entry:
    """The entry of a file that is already there, by reading all of it."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
            size += len(block)
            report(len(block))
    return Entry(size, digest.hexdigest())

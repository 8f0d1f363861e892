"""Baselines elsewhere: content-addressed, in an object store or a shared folder, of which each run fetches its part.

    objects/ab/ab12…         the bytes of a file, under their sha256
    machines/cd/cd34….json   all files of a machine, as names with hashes, under its own sha256
    pointers/7.json          the seventh pointer: machine -> the hash of its list; the one with the highest number holds
    baselines.json           a pointer that held, to begin at

Whatever a reader meets is as its name says, or is refused. To accept is to make the next pointer, which only one can:
whenever that is killed, readers find all of the old or all of the new, and of two at once the second is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from fluxgate.baselines import manifest
from fluxgate.baselines.service import Service
from fluxgate.files import is_name, parse_plain, read_limited, write_whole
from fluxgate.refusal import Refusal
from fluxgate.subjects.sources import cache_folder

POINTER = "baselines.json"
SCHEMA = 1
MOST_AT_ONCE = 8  # requests


@dataclass(frozen=True)
class Content:
    """A file, by what is in it."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Listing:
    """All files of a machine: 'SUBJECT/facts/full.json' and so on."""

    files: dict[str, Content] = field(default_factory=dict)


@dataclass(frozen=True)
class Pointer:
    """What holds now."""

    machines: dict[str, str] = field(default_factory=dict)  # machine -> the sha256 of its listing
    schema: int = SCHEMA
    number: int = 0


class Remote:
    """A store elsewhere. Each thing that is read from it is checked by its hash."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.service = Service(address)

    def pointer(self) -> Pointer:
        """What holds now; nothing where nothing was accepted yet."""
        pointer = self._pointer_at(POINTER) or Pointer()
        while newer := self._pointer_at(_pointer_path(pointer.number + 1)):
            if newer.number != pointer.number + 1:
                raise Refusal(f"{self.address}/{_pointer_path(pointer.number + 1)} has the number {newer.number}.")
            pointer = newer
        return pointer

    def _pointer_at(self, path: str) -> Pointer | None:
        data = self.service.read(path)
        if data is None:
            return None
        pointer = parse_plain(data, Pointer, name=f"{self.address}/{path}")
        if pointer.schema > SCHEMA:
            raise Refusal(f"{self.address} was written by a newer Fluxgate: its schema is {pointer.schema}.")
        bad = [name for name in pointer.machines if not is_name(name)]
        if bad:
            raise Refusal(f"{self.address}/{path} names a machine {bad[0][:120]!r}, which is no name.")
        return pointer

    def listing(self, pointer: Pointer, machine: str) -> Listing:
        """The files of a machine; none for one that has nothing."""
        sha256 = pointer.machines.get(machine)
        if sha256 is None:
            return Listing()
        data = self.content(_listing_path(sha256), sha256)
        listing = parse_plain(data, Listing, name=f"{self.address}/{_listing_path(sha256)}")
        bad = [name for name in listing.files if not _may_be_named(name)]
        if bad:
            raise Refusal(f"{self.address} lists a file {bad[0][:120]!r}, which no baseline has.")
        return listing

    def fetch(self, contents: Mapping[str, Content], folder: Path) -> None:
        """Write these files into a folder, as far as they are not there; from the cache, as far as that has them."""

        def bring(name: str) -> None:
            content = contents[name]
            if not _has(folder / name, content):
                write_whole(folder / name, self.content(_object_path(content.sha256), content.sha256, content.size))

        with ThreadPoolExecutor(MOST_AT_ONCE) as threads:
            list(threads.map(bring, contents))

    def publish(self, machine: str, folder: Path, *, over: Pointer) -> Pointer:
        """Make a folder what the machine has; nobody must have published since the pointer was read."""
        before = {content.sha256 for content in self.listing(over, machine).files.values()}
        files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
        data = {name: read_limited(path, manifest.LARGEST_FILE) for name, path in files.items()}
        contents = {name: Content(_sha256(each), len(each)) for name, each in data.items()}
        new = {contents[name].sha256: each for name, each in data.items() if contents[name].sha256 not in before}
        listing = msgspec.json.encode(Listing(contents), order="sorted")
        if _sha256(listing) == over.machines.get(machine) or not (contents or machine in over.machines):
            return over
        fresh = {_object_path(sha256): each for sha256, each in new.items()}
        machines = {**over.machines, machine: _sha256(listing)}
        pointer = replace(over, machines=machines, number=over.number + 1)
        self._accept({**fresh, _listing_path(_sha256(listing)): listing}, pointer, over)
        return pointer

    def _accept(self, files: Mapping[str, bytes], pointer: Pointer, over: Pointer) -> None:
        """Write files that have names of their own, and let the pointer hold if the one before it still does."""
        path, encoded = _pointer_path(pointer.number), _encoded(pointer)
        if self.service.commits:
            done = self.service.commit({**files, path: encoded, POINTER: encoded}, may=lambda: self.pointer() == over)
        else:
            done = self._write_in_turn(files, path, encoded, over)
        if not done:
            raise Refusal(
                f"Somebody else has accepted into {self.address} meanwhile; nothing was changed. Accept again."
            )

    def _write_in_turn(self, files: Mapping[str, bytes], path: str, encoded: bytes, over: Pointer) -> bool:
        """First what the pointer leads to, then the pointer, which of several at once one makes."""
        with ThreadPoolExecutor(MOST_AT_ONCE) as threads:
            list(threads.map(lambda name: self.service.write(name, files[name]), files))
        if self.pointer() != over or not self.service.make(path, encoded):
            return False
        self.service.write(POINTER, encoded)
        return True

    def content(self, path: str, sha256: str, size: int | None = None) -> bytes:
        """Bytes by their hash: from the cache, else from there and then into the cache."""
        cached = cache_folder() / "baselines" / path
        if cached.is_file():
            data = read_limited(cached, manifest.LARGEST_FILE)
            if _sha256(data) == sha256:
                return data
        if size is not None and size > manifest.LARGEST_FILE:
            raise Refusal(f"{self.address}/{path} has {size:,} bytes; at most {manifest.LARGEST_FILE:,} are read.")
        fetched = self.service.read(path)
        if fetched is None:
            raise Refusal(f"{self.address}/{path} is missing, and the baselines name it.")
        if _sha256(fetched) != sha256:
            raise Refusal(f"{self.address}/{path} is not what was accepted: its bytes have another hash.")
        write_whole(cached, fetched)
        return fetched


def _may_be_named(name: str) -> bool:
    subject, slash, within = name.partition("/")
    return bool(slash) and is_name(subject) and (within == manifest.NAME or manifest.may_be_listed(within))


def _encoded(pointer: Pointer) -> bytes:
    return msgspec.json.format(msgspec.json.encode(pointer, order="sorted"), indent=2) + b"\n"


def _pointer_path(number: int) -> str:
    return f"pointers/{number}.json"


def _object_path(sha256: str) -> str:
    return f"objects/{_plain(sha256)[:2]}/{sha256}"


def _listing_path(sha256: str) -> str:
    return f"machines/{_plain(sha256)[:2]}/{sha256}.json"


def _plain(sha256: str) -> str:
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise Refusal(f"{sha256[:120]!r} is no sha256.")
    return sha256


def _has(path: Path, content: Content) -> bool:
    return path.is_file() and path.stat().st_size == content.size and _sha256(path.read_bytes()) == content.sha256


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

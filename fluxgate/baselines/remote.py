"""Baselines elsewhere: content-addressed, in an object store or a shared folder, of which each run fetches its part.

    objects/ab/ab12…         the bytes of a file, under their sha256
    machines/cd/cd34….json   all files of a machine, as names with hashes, under its own sha256
    pointers/7.json          the seventh pointer: machine -> the hash of its list; the one with the highest number holds
    baselines.json           a pointer that held, to begin at

Whatever a reader meets is as its name says, or is refused. To accept is to make the next pointer, which only one can:
whenever that is killed, readers find all of the old or all of the new, and of two at once the second is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from fluxgate.baselines import limits, manifest
from fluxgate.baselines.store import PORTABLE, Store, offered, shipped
from fluxgate.files import is_name, make_whole, parse_plain, read_limited, write_whole
from fluxgate.machine import device_of
from fluxgate.options import address_of
from fluxgate.refusal import Refusal, full_stop
from fluxgate.subjects.sources import cache_folder

POINTER = "baselines.json"
SCHEMA = 1
MOST_AT_ONCE = 8  # requests
PRECONDITION_FAILED = 412  # the status with which the hub refuses a commit on top of one that is not the last
NEEDS = {"s3": 'pip install "fluxgate[remote]"', "gs": "pip install gcsfs"}  # beside fsspec, which diffusers brings


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
        self._scheme = address.partition(":")[0]

    @cached_property
    def _place(self) -> tuple[Any, str]:
        """fsspec's file system, and the path in it."""
        with self._told("reached"):
            import fsspec

            place: tuple[Any, str] = fsspec.url_to_fs(self.address)
            return place

    def pointer(self) -> Pointer:
        """What holds now; nothing where nothing was accepted yet."""
        pointer = self._pointer_at(POINTER) or Pointer()
        while newer := self._pointer_at(_pointer_path(pointer.number + 1)):
            if newer.number != pointer.number + 1:
                raise Refusal(f"{self.address}/{_pointer_path(pointer.number + 1)} has the number {newer.number}.")
            pointer = newer
        return pointer

    def _pointer_at(self, path: str) -> Pointer | None:
        data = self._read(path)
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
        data = self._content(_listing_path(sha256), sha256)
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
                write_whole(folder / name, self._content(_object_path(content.sha256), content.sha256, content.size))

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
        if self._scheme == "hf":
            done = self._commit({**files, path: encoded, POINTER: encoded}, over)
        else:
            with ThreadPoolExecutor(MOST_AT_ONCE) as threads:
                list(threads.map(lambda name: self._write(name, files[name]), files))
            done = self.pointer() == over and self._make(path, encoded)
        if not done:
            raise Refusal(
                f"Somebody else has accepted into {self.address} meanwhile; nothing was changed. Accept again."
            )
        if self._scheme != "hf":
            self._write(POINTER, encoded)

    # Bytes

    def _content(self, path: str, sha256: str, size: int | None = None) -> bytes:
        """Bytes by their hash: from the cache, else from there and then into the cache."""
        cached = cache_folder() / "baselines" / path
        if cached.is_file():
            data = read_limited(cached, manifest.LARGEST_FILE)
            if _sha256(data) == sha256:
                return data
        if size is not None and size > manifest.LARGEST_FILE:
            raise Refusal(f"{self.address}/{path} has {size:,} bytes; at most {manifest.LARGEST_FILE:,} are read.")
        fetched = self._read(path)
        if fetched is None:
            raise Refusal(f"{self.address}/{path} is missing, and the baselines name it.")
        if _sha256(fetched) != sha256:
            raise Refusal(f"{self.address}/{path} is not what was accepted: its bytes have another hash.")
        write_whole(cached, fetched)
        return fetched

    def _read(self, path: str) -> bytes | None:
        system, root = self._place
        with self._told("read"):
            system.invalidate_cache()  # others write, too
            try:
                data: bytes = system.cat_file(f"{root}/{path}")
            except FileNotFoundError:
                return None
            return data

    def _write(self, path: str, data: bytes) -> None:
        """Whole or not at all: object stores do it so, and a folder through a rename."""
        system, root = self._place
        with self._told("written"):
            if self._scheme == "file":
                write_whole(Path(root) / path, data)
            else:
                system.pipe_file(f"{root}/{path}", data)

    def _make(self, path: str, data: bytes) -> bool:
        """The same for a file that is not there yet; whether this made it. Of several at once, one does.

        What stands there afterwards decides: a request that was sent twice is refused the second time, and a service
        that knows no conditions lets the last one win."""
        system, root = self._place
        with self._told("written"), suppress(FileExistsError):
            if self._scheme == "file":
                make_whole(Path(root) / path, data)
            else:
                system.pipe_file(f"{root}/{path}", data, mode="create")
        return self._read(path) == data

    def _commit(self, files: Mapping[str, bytes], over: Pointer) -> bool:
        """All of it in one commit on top of that in which the pointer still holds; whether that could be made."""
        from huggingface_hub import CommitOperationAdd
        from huggingface_hub.errors import HfHubHTTPError

        system, root = self._place
        with self._told("written"):
            place = system.resolve_path(root)
            of = {"repo_id": place.repo_id, "repo_type": place.repo_type, "revision": place.revision}
            head = system._api.repo_info(**of).sha
            if self.pointer() != over:
                return False
            within = f"{place.path_in_repo}/" if place.path_in_repo else ""
            operations = [CommitOperationAdd(f"{within}{path}", data) for path, data in files.items()]
            try:
                system._api.create_commit(
                    operations=operations, commit_message="Accept baselines", parent_commit=head, **of
                )
            except HfHubHTTPError as error:
                if error.response.status_code != PRECONDITION_FAILED:
                    raise
                return False
        return True

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Whatever a library says of its service, in one sentence."""
        try:
            yield
        except (Refusal, FileNotFoundError):
            raise
        except ImportError as error:
            install = NEEDS.get(self._scheme, "pip install fsspec")
            raise Refusal(f"{self.address} cannot be {what}: {error}; {install}") from error
        except Exception as error:  # each service has its own
            first = (str(error).strip().splitlines() or [""])[0]
            raise Refusal(full_stop(f"{self.address} cannot be {what}: {type(error).__name__}: {first}")) from error


def store_at(path: Path, *, machine: str, subjects: Collection[str]) -> Store:
    """The store at a path or an address, with all that these subjects on this machine are judged by at hand."""
    address = address_of(path)
    if address is None:
        return Store.at(path)
    remote, pointer = Remote(address), _pointer_of(address)
    copy = _copy_folder(address, pointer)
    for place in (machine, PORTABLE):
        wanted = _of_subjects(remote.listing(pointer, place), subjects)
        remote.fetch(wanted, copy / "own" / place)
    for place in pointer.machines:
        if place not in (machine, PORTABLE) and device_of(place) == device_of(machine):
            remote.fetch(_limits_in(remote.listing(pointer, place), subjects), copy / "lent" / place)
    return Store(copy / "own", shipped(), (*offered(), copy / "lent"))


@lru_cache
def _pointer_of(address: str) -> Pointer:
    """Read once in a process: all that it judges is held to one state of the store."""
    return Remote(address).pointer()


def _copy_folder(address: str, pointer: Pointer) -> Path:
    """Where a state of a store is put together; each state has its own, so that none has files of another."""
    name = _sha256(address.encode() + msgspec.json.encode(pointer, order="sorted"))
    return cache_folder() / "baselines" / "copies" / name[:32]


def _of_subjects(listing: Listing, subjects: Collection[str]) -> dict[str, Content]:
    return {name: content for name, content in listing.files.items() if name.partition("/")[0] in subjects}


def _limits_in(listing: Listing, subjects: Collection[str]) -> dict[str, Content]:
    """The calibrated limits, which other machines lend, and the manifests that they are checked by."""
    wanted = {f"{subject}/{name}" for subject in subjects for name in (limits.FILE, manifest.NAME)}
    lends = {name.partition("/")[0] for name in listing.files if name.endswith(f"/{limits.FILE}")}
    return {
        name: content for name, content in listing.files.items() if name in wanted and name.partition("/")[0] in lends
    }


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

"""The store at a path or an address: of one elsewhere, the part that is judged by is copied into the cache first."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

import msgspec

from fluxgate.baselines import limits, manifest
from fluxgate.baselines.remote import Content, Listing, Pointer, Remote
from fluxgate.baselines.store import PORTABLE, Store, offered, shipped
from fluxgate.machine import device_of
from fluxgate.options import address_of
from fluxgate.subjects.sources import cache_folder


def store_at(path: Path, *, machine: str, subjects: Collection[str]) -> Store:
    """The store at a path or an address, with all that these subjects on this machine are judged by at hand."""
    address = address_of(path)
    if address is None:
        return Store.at(path)
    remote, pointer = Remote(address), pointer_of(address)
    copy = _copy_folder(address, pointer)
    for place in (machine, PORTABLE):
        wanted = _of_subjects(remote.listing(pointer, place), subjects)
        remote.fetch(wanted, copy / "own" / place)
    for place in pointer.machines:
        if place not in (machine, PORTABLE) and device_of(place) == device_of(machine):
            remote.fetch(_limits_in(remote.listing(pointer, place), subjects), copy / "lent" / place)
    return Store(copy / "own", shipped(), (*offered(), copy / "lent"))


@lru_cache
def pointer_of(address: str) -> Pointer:
    """Read once in a process: all that it judges is held to one state of the store."""
    return Remote(address).pointer()


def _copy_folder(address: str, pointer: Pointer) -> Path:
    """Where a state of a store is put together; each state has its own, so that none has files of another."""
    name = hashlib.sha256(address.encode() + msgspec.json.encode(pointer, order="sorted")).hexdigest()
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

"""What the tests of baselines elsewhere share: what is at hand of a store, and acceptances that race or are killed."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier

import msgspec

from fluxgate.baselines import local_copy
from fluxgate.baselines.local_copy import store_at
from fluxgate.baselines.remote import POINTER, Pointer, Remote
from fluxgate.refusal import Refusal
from tests.runs.building import MACHINE, contents

MOMENTS = 50


def at_hand(address: str, *subjects: str, machine: str = MACHINE.id) -> Path:
    """The folder that is judged by."""
    local_copy.pointer_of.cache_clear()
    return store_at(Path(address), machine=machine, subjects=subjects or ("tiny",)).own


class Waiting(Remote):
    """Has read the pointer when another one has, too."""

    def __init__(self, address: str, barrier: Barrier) -> None:
        super().__init__(address)
        self._barrier = barrier

    def pointer(self) -> Pointer:
        found = super().pointer()
        self._barrier.wait(60)
        return found


def published_at_once(address: str, folder: Path, over: Pointer, rounds: int = 5) -> Pointer:
    """Two acceptances that have both seen the same pointer, again and again: each time one of them holds."""
    refused: list[str] = []

    def publish(machine: str) -> Pointer | None:
        try:
            return Waiting(address, barrier).publish(machine, folder, over=over)
        except Refusal as refusal:
            refused.append(str(refusal))
            return None

    for turn in range(rounds):
        barrier = Barrier(2)
        with ThreadPoolExecutor(2) as threads:
            both = list(threads.map(publish, (f"gpu-a-{turn}", f"gpu-b-{turn}")))
        (held,) = filter(None, both)
        assert Remote(address).pointer() == held
        over = held
    assert len(refused) == rounds
    assert all("meanwhile" in sentence for sentence in refused)
    return over


@dataclass(frozen=True)
class Changing:
    """A store that an acceptance is killed over."""

    address: str
    old: Path  # the machine's folder, as it holds
    new: Path  # and as it shall


def held(store: Changing, cache: Path) -> str:
    """Which of both holds, read as a stranger does: with an empty cache."""
    shutil.rmtree(cache, ignore_errors=True)
    found = contents(at_hand(store.address) / MACHINE.id)
    (name,) = (name for name in ("old", "new") if contents(getattr(store, name)) == found)
    return name


def begin_with(address: str, pointer: Pointer) -> None:
    """Let this hold, whatever held before."""
    remote = Remote(address)
    system, root = remote.service._place
    system.invalidate_cache()
    for path in system.find(f"{root}/pointers"):
        if int(Path(path).stem) > pointer.number:
            system.rm_file(path)
    remote.service.write(POINTER, msgspec.json.encode(pointer))

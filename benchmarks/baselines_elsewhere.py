"""What a store elsewhere costs: ten machines and twenty upgrades, `python -m benchmarks.baselines_elsewhere FOLDER`.

Each machine has the files of the H100's accepted miniature, with bytes of its own. Each upgrade is accepted on each
machine, and gives one case in six other facts and pictures: their bytes differ, their sizes do not."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from fluxgate.amounts import amount
from fluxgate.baselines import local_copy
from fluxgate.baselines.local_copy import store_at
from fluxgate.baselines.remote import Pointer, Remote

ACCEPTED = Path(__file__).parents[1] / "baselines" / "h100-80gb-hbm3-torch2.11.0-cu130"
SUBJECT = "miniature"
CHANGED = 6  # one file in so many changes with an upgrade
POINTERS = 2  # requests by which the pointer that holds is found
TAG = 16  # bytes that tell one file's content from another's


@dataclass(frozen=True)
class Fetched:
    """What came into the cache for one run."""

    bytes: int
    requests: int
    seconds: float

    def __str__(self) -> str:
        return f"{amount(self.bytes)} in {self.requests} requests and {self.seconds:.2f} s"


@dataclass(frozen=True)
class Cost:
    """What was measured, in bytes and seconds."""

    machine: int  # of one machine's files
    store: int
    first: Fetched  # by a run that has nothing yet
    next: Fetched  # by its next run, after one more upgrade
    grown: tuple[int, ...]  # by each acceptance after the first of each machine
    seconds: float  # for an acceptance, typically


def simulate(folder: Path, files: Mapping[str, bytes], *, machines: int, upgrades: int) -> Cost:
    """Accept on each machine after each upgrade, and then fetch what one run needs."""
    address, names = f"file://{folder / 'store'}", [f"h100-{number}" for number in range(machines)]
    os.environ["FLUXGATE_CACHE"] = str(folder / "cache")
    pointer, grown, seconds, size = Pointer(), list[int](), list[float](), 0
    for upgrade in range(upgrades + 1):
        if upgrade == upgrades:
            first = _fetched(folder, address, names[0], fresh=True)
        for name in names:
            root = folder / "machine"
            _write(root, files, name, upgrade)
            begun = time.perf_counter()
            pointer = Remote(address).publish(name, root, over=pointer)
            seconds.append(time.perf_counter() - begun)
            before, size = size, _size(folder / "store")
            if upgrade:
                grown.append(size - before)
    again = _fetched(folder, address, names[0], fresh=False)
    return Cost(sum(map(len, files.values())), size, first, again, tuple(grown), median(seconds))


def _write(root: Path, files: Mapping[str, bytes], machine: str, upgrade: int) -> None:
    """A machine's folder as it is after an upgrade."""
    shutil.rmtree(root, ignore_errors=True)
    for number, (name, data) in enumerate(files.items()):
        last = max(at for at in range(upgrade + 1) if at == 0 or (number + at) % CHANGED == 0)
        tag = hashlib.sha256(f"{machine} {name} {last}".encode()).digest()[:TAG]
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(tag + data[TAG:])


def _fetched(folder: Path, address: str, machine: str, *, fresh: bool) -> Fetched:
    """What a run needs: only its machine's, of its subject."""
    cache = folder / "cache" / "baselines"
    if fresh:
        shutil.rmtree(cache, ignore_errors=True)
    local_copy.pointer_of.cache_clear()
    size, count, begun = _size(cache, but="copies"), _count(cache), time.perf_counter()
    store_at(Path(address), machine=machine, subjects=[SUBJECT])
    seconds = time.perf_counter() - begun
    return Fetched(_size(cache, but="copies") - size, _count(cache) - count + POINTERS, seconds)


def _count(cache: Path) -> int:
    """The files in a cache, without the copies that are put together from them."""
    return sum(path.is_file() and "copies" not in path.parts for path in cache.rglob("*"))


def _size(folder: Path, *, but: str = "") -> int:
    return sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file() and (not but or but not in path.parts)
    )


def main() -> None:
    files = {
        str(path.relative_to(ACCEPTED)): path.read_bytes() for path in sorted(ACCEPTED.rglob("*")) if path.is_file()
    }
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        cost = simulate(Path(folder), files, machines=10, upgrades=20)
    print(f"one machine: {amount(cost.machine)} in {len(files)} files")
    print(f"the store after 10 machines and 20 upgrades: {amount(cost.store)}")
    print(f"a first run fetches {cost.first}")
    print(f"the run after the next upgrade {cost.next}")
    print(f"an acceptance adds {amount(int(median(cost.grown)))}, in {cost.seconds:.2f} s")


if __name__ == "__main__":
    main()

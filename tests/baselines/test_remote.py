"""Tests of baselines elsewhere: what is fetched is what was accepted, and an acceptance holds whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Barrier
from typing import Any

import msgspec
import pytest

from fluxgate.baselines import integrity, remote
from fluxgate.baselines.remote import POINTER, Pointer, Remote, store_at
from fluxgate.options import address_of
from fluxgate.refusal import Refusal
from tests.baselines.acceptance import accept
from tests.baselines.services import Bucket, Hub, served
from tests.runs.building import MACHINE, contents, run_of

ROOT = Path(__file__).parents[2]
MOMENTS = 50


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache that has nothing, and no pointer that was read before."""
    monkeypatch.setenv("FLUXGATE_CACHE", str(tmp_path / "cache"))
    remote._pointer_of.cache_clear()
    yield
    remote._pointer_of.cache_clear()


@pytest.fixture
def address(tmp_path: Path) -> str:
    """A store in a folder that several machines could share."""
    return f"file://{tmp_path / 'elsewhere'}"


@pytest.fixture
def published(accepted: Path, address: str) -> Pointer:
    """What the store has: one accepted run of the tiny subject."""
    return Remote(address).publish(MACHINE.id, accepted / MACHINE.id, over=Pointer())


def at_hand(address: str, *subjects: str, machine: str = MACHINE.id) -> Path:
    """The folder that is judged by."""
    remote._pointer_of.cache_clear()
    return store_at(Path(address), machine=machine, subjects=subjects or ("tiny",)).own


@pytest.mark.parametrize(
    "typed, meant",
    [
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("gs://bucket", "gs://bucket"),
        ("hf://datasets/owner/name", "hf://datasets/owner/name"),
        ("file:///shared/store", "file:///shared/store"),
        ("baselines", None),
        ("/s3/bucket", None),
        ("./s3:x", None),
        ("ftp://host/x", None),
    ],
)
def test_an_address_is_told_from_a_folder(typed: str, meant: str | None) -> None:
    """Although it is typed where a folder may stand, and a path has lost a slash."""
    assert address_of(Path(typed)) == meant


def test_what_was_published_comes_back(published: Pointer, address: str, accepted: Path) -> None:
    """Byte for byte, and sound by its own manifests."""
    own = at_hand(address)
    assert contents(own / MACHINE.id) == contents(accepted / MACHINE.id)
    assert integrity.damage_in(own) == ()


def test_a_store_that_has_nothing_has_no_baseline(address: str) -> None:
    """As a folder that is not there."""
    assert not at_hand(address).exists()


def test_only_what_is_needed_is_fetched(published: Pointer, address: str, accepted: Path, tmp_path: Path) -> None:
    """Nothing of other subjects; of other machines of the kind their limits, and no picture."""
    folder = tmp_path / "other"
    shutil.copytree(accepted / MACHINE.id / "tiny", folder / "tiny")
    shutil.copytree(accepted / MACHINE.id / "tiny", folder / "large")
    (folder / "tiny" / "limits.json").write_text("{}")
    Remote(address).publish("another-gpu", folder, over=published)
    own = at_hand(address)
    assert [path.name for path in own.iterdir()] == [MACHINE.id]
    assert set(contents(own.parent / "lent")) == {"another-gpu/tiny/limits.json", "another-gpu/tiny/SHA256SUMS"}


def test_what_is_in_the_cache_is_not_fetched_again(published: Pointer, address: str, tmp_path: Path) -> None:
    """The store may lose all but its pointer, and it goes on; without the cache it is refused."""
    before = contents(at_hand(address))
    shutil.rmtree(tmp_path / "elsewhere" / "objects")
    shutil.rmtree(tmp_path / "cache" / "baselines" / "copies")
    assert contents(at_hand(address)) == before
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(Refusal, match="is missing"):
        at_hand(address)


def test_a_damaged_cache_is_fetched_anew(published: Pointer, address: str, tmp_path: Path) -> None:
    """Whatever wrote into it, and into the copy that was put together."""
    before = contents(at_hand(address))
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            path.write_bytes(b"something else")
    assert contents(at_hand(address)) == before


@pytest.mark.parametrize("kind", ["objects", "machines"])
def test_a_wrong_hash_is_refused(published: Pointer, address: str, tmp_path: Path, kind: str) -> None:
    """Of a file, and of a list of files: one changed byte in any of them."""
    for path in (tmp_path / "elsewhere" / kind).rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises(Refusal, match="another hash"):
        at_hand(address)


@pytest.mark.parametrize(
    "files",
    [
        {"../../outside": {"sha256": "0" * 64, "size": 1}},
        {"tiny/../outside": {"sha256": "0" * 64, "size": 1}},
        {"tiny/facts/a/b.json": {"sha256": "0" * 64, "size": 1}},
        {"tiny/facts/full.json": {"sha256": "../../secret", "size": 1}},
        {"tiny/facts/full.json": {"sha256": "0" * 64, "size": 1 << 40}},
        {"tiny": {"sha256": "0" * 64, "size": 1}},
    ],
)
def test_a_strangers_list_is_refused(address: str, tmp_path: Path, files: dict[str, object]) -> None:
    """Of names that lead elsewhere, of hashes that are none, and of files that are too large."""
    listing = json.dumps({"files": files}).encode()
    name = sha256(listing).hexdigest()
    store = tmp_path / "elsewhere"
    (store / "machines" / name[:2]).mkdir(parents=True)
    (store / "machines" / name[:2] / f"{name}.json").write_bytes(listing)
    (store / POINTER).write_text(json.dumps({"machines": {MACHINE.id: name}}))
    with pytest.raises(Refusal):
        at_hand(address)
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("pointer", ["", "[]", '{"machines": {"../x": "0"}}', '{"machines": {}, "schema": 2}'])
def test_a_damaged_pointer_is_refused(address: str, tmp_path: Path, pointer: str) -> None:
    """And one of a newer Fluxgate."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / POINTER).write_text(pointer)
    with pytest.raises(Refusal):
        at_hand(address)


def test_the_second_of_two_acceptances_is_refused(
    published: Pointer, address: str, accepted: Path, tmp_path: Path
) -> None:
    """It was shown what does not hold any more; what the first has written stays."""
    folder = shutil.copytree(accepted / MACHINE.id, tmp_path / "changed")
    (folder / "tiny" / "facts" / "other.json").write_text("{}")
    first = Remote(address).publish(MACHINE.id, folder, over=published)
    with pytest.raises(Refusal, match="meanwhile"):
        Remote(address).publish("another-gpu", folder, over=published)
    assert Remote(address).pointer() == first


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


def test_two_acceptances_at_once_lose_nothing(published: Pointer, address: str, accepted: Path) -> None:
    """One of them is refused, and what the other has written stays."""
    last = published_at_once(address, accepted / MACHINE.id, published)
    assert len(last.machines) == 6


def test_a_pointer_that_was_written_before_they_had_numbers_is_read(
    published: Pointer, address: str, tmp_path: Path, accepted: Path
) -> None:
    """And accepted over."""
    store = tmp_path / "elsewhere"
    shutil.rmtree(store / "pointers")
    (store / POINTER).write_text(json.dumps({"machines": published.machines, "schema": 1}))
    before = Remote(address).pointer()
    assert (before.machines, before.number) == (published.machines, 0)
    after = Remote(address).publish("another-gpu", accepted / MACHINE.id, over=before)
    assert Remote(address).pointer() == after
    assert set(after.machines) == {MACHINE.id, "another-gpu"}


def test_a_pointer_that_was_made_holds_although_nobody_was_told(
    published: Pointer, address: str, tmp_path: Path, accepted: Path
) -> None:
    """Whoever made it was killed before the file where readers begin was written."""
    first = (tmp_path / "elsewhere" / POINTER).read_bytes()
    after = Remote(address).publish("another-gpu", accepted / MACHINE.id, over=published)
    (tmp_path / "elsewhere" / POINTER).write_bytes(first)
    assert Remote(address).pointer() == after


def test_nothing_is_written_where_nothing_changes(published: Pointer, address: str, accepted: Path) -> None:
    """Neither for a machine that has the same, nor for one that has nothing."""
    place = Path(address.removeprefix("file://"))
    before = contents(place)
    assert Remote(address).publish(MACHINE.id, accepted / MACHINE.id, over=published) == published
    assert Remote(address).publish("another-gpu", accepted / "not-there", over=published) == published
    assert contents(place) == before


def test_an_unknown_service_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package for s3 is no part of what Fluxgate needs."""
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(Refusal, match=r"fluxgate\[remote\]"):
        at_hand("s3://bucket/baselines")


# Killed


@dataclass(frozen=True)
class Store:
    """A store that an acceptance is killed over."""

    address: str
    old: Path  # the machine's folder, as it holds
    new: Path  # and as it shall


@pytest.fixture
def changing(published: Pointer, address: str, accepted: Path, folder: Path, tmp_path: Path) -> Store:
    """Another run is accepted: other pictures, other facts."""
    root = shutil.copytree(accepted, tmp_path / "new")
    accept(run_of(folder, "full", "nf4", seed=7), root)
    return Store(address, accepted / MACHINE.id, root / MACHINE.id)


def held(store: Store, cache: Path) -> str:
    """Which of both holds, read as a stranger does: with an empty cache."""
    shutil.rmtree(cache, ignore_errors=True)
    found = contents(at_hand(store.address) / MACHINE.id)
    (name,) = (name for name in ("old", "new") if contents(getattr(store, name)) == found)
    return name


def test_an_acceptance_killed_at_any_moment_holds_or_does_not(changing: Store, tmp_path: Path) -> None:
    """Before and after each of its writes, 50 moments in all; and the next acceptance finds nothing in its way."""
    pointer, seen = Remote(changing.address).pointer(), set[str]()
    for moment in range(MOMENTS):
        _begin_with(changing.address, pointer)
        if _killed(moment, lambda: Remote(changing.address).publish(MACHINE.id, changing.new, over=pointer)):
            seen.add(held(changing, tmp_path / "cache"))
        else:
            break
    assert moment > 20, "there are fewer moments than it takes to tell"
    assert seen == {"old", "new"}
    Remote(changing.address).publish(MACHINE.id, changing.new, over=Remote(changing.address).pointer())
    assert held(changing, tmp_path / "cache") == "new"


def _begin_with(address: str, pointer: Pointer) -> None:
    """Let this hold, whatever held before."""
    remote = Remote(address)
    system, root = remote._place
    system.invalidate_cache()
    for path in system.find(f"{root}/pointers"):
        if int(Path(path).stem) > pointer.number:
            system.rm_file(path)
    remote._write(POINTER, msgspec.json.encode(pointer))


def _killed(moment: int, act: Callable[[], object]) -> bool:
    """Whether a child that does this was killed at its moment: half of them before a write, half after one."""
    pid = os.fork()
    if pid == 0:
        count = iter(range(1000))

        def killing(write: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*arguments: Any) -> Any:
                number = next(count)
                if number == moment // 2 and moment % 2 == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                done = write(*arguments)
                if number == moment // 2:
                    os.kill(os.getpid(), signal.SIGKILL)
                return done

            return counted

        for name in ("_write", "_make"):  # in this child alone
            setattr(Remote, name, killing(getattr(Remote, name)))
        try:
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


# On services


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket on a server of this machine."""
    pytest.importorskip("s3fs", reason='s3fs is not installed; pip install "fluxgate[remote]"')
    server = pytest.importorskip("moto.server", reason="moto is not installed; tox run -e remote has it")
    threaded = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    threaded.start()
    host, port = threaded.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    bucket = f"baselines-{os.getpid()}-{port}"  # servers of one process share their buckets
    s3fs.S3FileSystem().mkdir(bucket)
    yield f"s3://{bucket}/ours"
    threaded.stop()


@pytest.fixture
def gs(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket as Google's storage has it, on this machine."""
    gcsfs = pytest.importorskip("gcsfs", reason="gcsfs is not installed; tox run -e remote has it")
    with served(Bucket) as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        gcsfs.GCSFileSystem.clear_instance_cache()
        yield "gs://bucket/ours"


@pytest.fixture
def hf(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A dataset as the hub has it, on this machine."""
    with served(Hub) as url:
        from fsspec.config import conf
        from huggingface_hub import constants

        monkeypatch.setitem(conf, "hf", {"endpoint": url, "token": "x"})
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield "hf://datasets/ours/store/baselines"


@pytest.mark.filterwarnings("default")  # of the servers, and of what talks to them
@pytest.mark.parametrize("service", ["s3", "gs", "hf"])
def test_services_keep_baselines(service: str, accepted: Path, request: pytest.FixtureRequest) -> None:
    """What was published comes back; a second acceptance over the same is refused, also where both are at it at once;
    and what somebody has exchanged is refused."""
    address = request.getfixturevalue(service)
    pointer = Remote(address).publish(MACHINE.id, accepted / MACHINE.id, over=Pointer())
    assert contents(at_hand(address) / MACHINE.id) == contents(accepted / MACHINE.id)
    with pytest.raises(Refusal, match="meanwhile"):
        Remote(address).publish("another-gpu", accepted / MACHINE.id, over=Pointer())
    assert Remote(address).pointer() == pointer
    last = published_at_once(address, accepted / MACHINE.id, pointer, rounds=3)
    assert len(last.machines) == 4
    listing = Remote(address).listing(last, MACHINE.id)
    content = next(iter(listing.files.values()))
    with pytest.raises(Refusal, match="is missing"):
        Remote(address)._content(f"objects/00/{'0' * 64}", "0" * 64)
    with pytest.raises(Refusal, match="another hash"):
        Remote(address)._content(f"objects/{content.sha256[:2]}/{content.sha256}", "1" * 64)


# Forks for each line that it reads, so that nothing need be imported at each of many moments.
ACTS = """
import os, sys
from pathlib import Path
import s3fs
from fluxgate.baselines.remote import Remote
machine, folder, address = sys.argv[1:]
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        remote = Remote(address)
        pointer = remote.pointer()
        print(os.getpid(), flush=True)
        remote.publish(machine, Path(folder), over=pointer)
        os._exit(0)
    print(os.waitpid(pid, 0)[1], flush=True)
"""


class Acceptor:
    """Accepts the new folder, again and again, and can be killed while it does."""

    def __init__(self, store: Store) -> None:
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-c", ACTS, MACHINE.id, str(store.new), store.address]
        environment = {**os.environ, "PYTHONPATH": path}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def act(self, killed_after: float | None = None) -> float:
        """Seconds that it took; it is killed after so many, unless it is done by then."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(file=self.process.stdin, flush=True)
        pid, begun = int(self.process.stdout.readline()), time.monotonic()
        if killed_after is not None:
            time.sleep(killed_after)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        status = int(self.process.stdout.readline())
        assert status in (0, signal.SIGKILL)
        return time.monotonic() - begun

    def close(self) -> None:
        self.process.communicate()


@pytest.mark.filterwarnings("default")  # of the server, and of what talks to it
def test_on_s3_too(s3: str, accepted: Path, folder: Path, tmp_path: Path) -> None:
    """Published, fetched, refused with a wrong hash, and killed at 50 moments of the time that it takes: old or new."""
    import s3fs

    first = Remote(s3).publish(MACHINE.id, accepted / MACHINE.id, over=Pointer())
    root = shutil.copytree(accepted, tmp_path / "new")
    accept(run_of(folder, "full", "nf4", seed=7), root)
    store = Store(s3, accepted / MACHINE.id, root / MACHINE.id)
    assert held(store, tmp_path / "cache") == "old"
    acceptor, seen = Acceptor(store), list[str]()
    lasts = acceptor.act()
    assert held(store, tmp_path / "cache") == "new"
    for moment in range(MOMENTS):
        _begin_with(s3, first)
        acceptor.act(killed_after=lasts * 1.2 * moment / MOMENTS)
        seen.append(held(store, tmp_path / "cache"))
    acceptor.close()
    assert set(seen) == {"old", "new"}
    files = s3fs.S3FileSystem()
    for path in files.find(f"{s3}/objects"):
        files.pipe_file(path, b"something else")
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(Refusal, match="another hash"):
        at_hand(s3)

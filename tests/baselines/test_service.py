"""Tests of services: in each of them an acceptance holds whole or not at all, and only one of two at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fluxgate.baselines.remote import Pointer, Remote
from fluxgate.refusal import Refusal
from tests.baselines.acceptance import accept
from tests.baselines.elsewhere import MOMENTS, Changing, at_hand, begin_with, held, published_at_once
from tests.baselines.services import Bucket, Hub, served
from tests.runs.building import MACHINE, contents, run_of

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("empty_cache")


def test_an_unknown_service_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package for s3 is no part of what Fluxgate needs."""
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(Refusal, match=r"s3fs"):
        at_hand("s3://bucket/baselines")


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket on a server of this machine."""
    pytest.importorskip("s3fs", reason="s3fs is not installed; pip install -r requirements/remote.txt")
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
        Remote(address).content(f"objects/00/{'0' * 64}", "0" * 64)
    with pytest.raises(Refusal, match="another hash"):
        Remote(address).content(f"objects/{content.sha256[:2]}/{content.sha256}", "1" * 64)


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

    def __init__(self, store: Changing) -> None:
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
    store = Changing(s3, accepted / MACHINE.id, root / MACHINE.id)
    assert held(store, tmp_path / "cache") == "old"
    acceptor, seen = Acceptor(store), list[str]()
    lasts = acceptor.act()
    assert held(store, tmp_path / "cache") == "new"
    for moment in range(MOMENTS):
        begin_with(s3, first)
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

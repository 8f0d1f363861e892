"""Tests of grown folders: whole or not there, resumed after any interruption, and nobody else's."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fluxgate.miniature.growth.grown_folder import LOCK, grow, why_not_usable
from fluxgate.miniature.growth.manifest import MANIFEST, read_manifest
from fluxgate.refusal import Refusal
from tests.miniature.growth.sizes import BIG, another_miniature, damaged_in, left_in
from tests.wording import unsaid


def test_growing_twice_gives_the_same_bytes(small: Path, big: Path, tmp_path: Path) -> None:
    """The noise in what changes nothing is seeded, so that the same miniature gives the same hashes."""
    assert grow(tmp_path / "again", source=small, target=BIG).files == read_manifest(big).files


def test_a_grown_folder_holds_a_pipeline_and_its_manifest(big: Path) -> None:
    """Nothing of the work is left in it."""
    names = ["model_index.json", "scheduler", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"]
    assert left_in(big) == [MANIFEST, *names, "transformer", "vae"]


def test_what_was_grown_is_not_grown_again(small: Path, big: Path) -> None:
    """A second call finds the folder as it should be and writes nothing."""
    before = (big / MANIFEST).stat().st_mtime_ns
    calls: list[int] = []
    grow(big, source=small, target=BIG, progress=lambda done, total: calls.append(done))
    assert (calls, (big / MANIFEST).stat().st_mtime_ns) == ([], before)
    assert left_in(big.parent) == ["grown"]
    assert why_not_usable(big, source=small, target=BIG) is None


KILLED_GROWTH = """
import os, signal, sys
from pathlib import Path
import msgspec
from fluxgate.miniature.growth.grown_folder import grow
from fluxgate.miniature.growth.target import Target

def progress(done, total):
    if done >= float(sys.argv[4]) * total:
        os.kill(os.getpid(), signal.SIGKILL)

target = msgspec.json.decode(sys.argv[3], type=Target)
grow(Path(sys.argv[1]), source=Path(sys.argv[2]), target=target, progress=progress)
"""


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_killed_growth_leaves_no_folder_and_is_resumed(small: Path, big: Path, tmp_path: Path, share: float) -> None:
    """After SIGKILL the folder does not exist; the next call keeps what is whole and ends with the same bytes."""
    folder = tmp_path / "grown"
    target = msgspec.json.encode(BIG).decode()
    child = subprocess.run([sys.executable, "-c", KILLED_GROWTH, folder, small, target, str(share)], timeout=120)
    assert child.returncode == -signal.SIGKILL
    assert left_in(tmp_path) == ["grown.partial"]
    finished = read_manifest(tmp_path / "grown.partial").files
    times = {file: (tmp_path / "grown.partial" / file).stat().st_mtime_ns for file in finished}
    manifest = grow(folder, source=small, target=BIG)
    assert manifest.files == read_manifest(big).files
    assert {file: (folder / file).stat().st_mtime_ns for file in finished} == times
    assert damaged_in(folder) == []
    assert left_in(tmp_path) == ["grown"]
    assert set(left_in(folder)) == {*left_in(big)}


def test_an_interruption_by_hand_keeps_the_whole_files_only(small: Path, tmp_path: Path) -> None:
    """Ctrl-C passes through; half a file is removed, whole ones wait for the next call."""

    def interrupt(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grow(tmp_path / "grown", source=small, target=BIG, progress=interrupt)
    partial = tmp_path / "grown.partial"
    files = {path.relative_to(partial).as_posix() for path in partial.rglob("*") if path.is_file()}
    assert files - {MANIFEST, LOCK} == set(read_manifest(partial).files)
    assert not (tmp_path / "grown").exists()


def test_a_kept_file_that_was_touched_is_written_again(small: Path, big: Path, tmp_path: Path) -> None:
    """A finished file of an interrupted growth is kept only if its hash is still right."""
    folder, partial = tmp_path / "grown", tmp_path / "grown.partial"
    shutil.copytree(big, partial)
    touched = partial / "vae" / "config.json"
    touched.write_bytes(touched.read_bytes().replace(b"512", b"513").replace(b"64", b"65"))
    (partial / "vae" / "stray.safetensors.unfinished").write_bytes(b"half")
    grow(folder, source=small, target=BIG)
    assert damaged_in(folder) == []
    assert not list(folder.rglob("*.unfinished"))


def test_a_full_disk_is_refused_before_the_first_byte(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The free space is compared with what is still to be written, and nothing is left behind."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=5_000_000))
    with pytest.raises(Refusal, match=r"\d+\.\d MB more.* 5\.0 MB are free"):
        grow(tmp_path / "grown", source=small, target=BIG)
    assert left_in(tmp_path) == []


def test_a_disk_that_fills_up_leaves_nothing(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real 'no space left' from the kernel in the middle of a shard: one sentence, and all of it is removed."""
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("this system has no /dev/full")
    real_write = os.write

    def write(handle: int, block: Any) -> int:
        if len(block) < 100_000:
            return real_write(handle, block)
        with device.open("wb", buffering=0) as full:
            return real_write(full.fileno(), block)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(Refusal, match=r"is full.*removed"):
        grow(tmp_path / "grown", source=small, target=BIG)
    assert left_in(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting a small disk takes a Linux root")
def test_a_small_disk_fills_up(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a real disk of 8 MB, whose free space is misreported, growth stops and cleans up."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=8m tmpfs '{disk}' 2>/dev/null"):
        pytest.skip("no disk may be mounted here")
    try:
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(Refusal, match=r"is full.*removed"):
            grow(disk / "grown", source=small, target=BIG)
        assert left_in(disk) == []
    finally:
        os.system(f"umount '{disk}'")


def test_two_growths_of_one_folder_do_not_mix(small: Path, tmp_path: Path) -> None:
    """While one process grows a folder, another is refused in a sentence."""
    refused: list[str] = []

    def second(done: int, total: int) -> None:
        if not refused:
            with pytest.raises(Refusal) as caught:
                grow(tmp_path / "grown", source=small, target=BIG)
            refused.append(str(caught.value))

    grow(tmp_path / "grown", source=small, target=BIG, progress=second)
    assert [unsaid(one, str(tmp_path / "grown"), "another process") for one in refused] == [[]]
    assert damaged_in(tmp_path / "grown") == []


def test_an_interrupted_growth_of_another_miniature_is_not_resumed(small: Path, big: Path, tmp_path: Path) -> None:
    """Whole files of another miniature are not kept, however right their hashes are."""
    other = another_miniature(small, tmp_path / "other")
    shutil.copytree(big, tmp_path / "grown.partial")
    grown = grow(tmp_path / "grown", source=other, target=BIG)
    assert grown.files == grow(tmp_path / "afresh", source=other, target=BIG).files
    assert grown.files != read_manifest(big).files


def test_the_room_of_a_stale_folder_counts_as_free(
    small: Path, big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What will be removed first needs no room beside the new one."""
    folder = shutil.copytree(big, tmp_path / "grown")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2_000_000))
    grow(folder, source=another_miniature(small, tmp_path / "other"), target=BIG)
    assert damaged_in(folder) == []


def test_a_truncated_shard_is_noticed(small: Path, big: Path, tmp_path: Path) -> None:
    """A shard of another length is a reason not to use the folder; its bytes are not read for that."""
    folder = shutil.copytree(big, tmp_path / "grown")
    shard = next(folder.glob("transformer/*-00002-*"))
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    assert not unsaid(why_not_usable(folder, source=small, target=BIG), str(shard), "length")
    shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert why_not_usable(folder, source=small, target=BIG) is None


def test_a_foreign_folder_is_left_alone(small: Path, tmp_path: Path) -> None:
    """Growth never writes into, or removes, a folder that it did not make."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "fox.png").write_bytes(b"mine")
    with pytest.raises(Refusal, match="exists and was not grown here"):
        grow(folder, source=small, target=BIG)
    assert left_in(tmp_path) == ["pictures"]
    assert (folder / "fox.png").read_bytes() == b"mine"


def test_a_foreign_partial_folder_is_left_alone(small: Path, tmp_path: Path) -> None:
    """The same holds for the place where growth would work."""
    folder = tmp_path / "grown.partial"
    folder.mkdir()
    (folder / "fox.png").write_bytes(b"mine")
    with pytest.raises(Refusal, match="is no unfinished growth"):
        grow(tmp_path / "grown", source=small, target=BIG)
    assert (folder / "fox.png").read_bytes() == b"mine"


def test_growing_into_the_miniature_itself_is_refused(small: Path) -> None:
    """A folder inside the source is refused."""
    with pytest.raises(Refusal, match="lies in the small pipeline itself"):
        grow(small / "grown", source=small, target=BIG)

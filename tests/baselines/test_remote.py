"""Tests of baselines elsewhere: what is fetched is what was accepted, and an acceptance holds whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fluxgate.baselines import integrity
from fluxgate.baselines.remote import POINTER, Pointer, Remote
from fluxgate.baselines.service import Service
from fluxgate.refusal import Refusal
from tests.baselines.acceptance import accept
from tests.baselines.elsewhere import MOMENTS, Changing, at_hand, begin_with, held, published_at_once
from tests.runs.building import MACHINE, contents, run_of

pytestmark = pytest.mark.usefixtures("empty_cache")


def test_what_was_published_comes_back(published: Pointer, address: str, accepted: Path) -> None:
    """Byte for byte, and sound by its own manifests."""
    own = at_hand(address)
    assert contents(own / MACHINE.id) == contents(accepted / MACHINE.id)
    assert integrity.damage_in(own) == ()


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


# Killed


@pytest.fixture
def changing(published: Pointer, address: str, accepted: Path, folder: Path, tmp_path: Path) -> Changing:
    """Another run is accepted: other pictures, other facts."""
    root = shutil.copytree(accepted, tmp_path / "new")
    accept(run_of(folder, "full", "nf4", seed=7), root)
    return Changing(address, accepted / MACHINE.id, root / MACHINE.id)


def test_an_acceptance_killed_at_any_moment_holds_or_does_not(changing: Changing, tmp_path: Path) -> None:
    """Before and after each of its writes, 50 moments in all; and the next acceptance finds nothing in its way."""
    pointer, seen = Remote(changing.address).pointer(), set[str]()
    for moment in range(MOMENTS):
        begin_with(changing.address, pointer)
        if _killed(moment, lambda: Remote(changing.address).publish(MACHINE.id, changing.new, over=pointer)):
            seen.add(held(changing, tmp_path / "cache"))
        else:
            break
    assert moment > 20, "there are fewer moments than it takes to tell"
    assert seen == {"old", "new"}
    Remote(changing.address).publish(MACHINE.id, changing.new, over=Remote(changing.address).pointer())
    assert held(changing, tmp_path / "cache") == "new"


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

        for name in ("write", "make"):  # in this child alone
            setattr(Service, name, killing(getattr(Service, name)))
        try:
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)

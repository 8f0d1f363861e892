"""Replacing a folder as a whole: wherever it is cut short, what is found afterwards is the old one or the new one."""

from __future__ import annotations

import errno
import shutil
import threading
from pathlib import Path

import pytest

from fluxgate.baselines import replacement
from fluxgate.refusal import Refusal
from tests.baselines.killing import killed_at
from tests.runs.building import contents

OLD = {"a.txt": b"old a", "kept.txt": b"kept", "deep/b.txt": b"old b"}
NEW = {"a.txt": b"new a", "kept.txt": b"kept", "deep/c.txt": b"new c"}


def to_new(folder: Path) -> None:
    """What turns the old folder into the new one; files are replaced, never written into."""
    (folder / "a.txt").unlink(missing_ok=True)
    (folder / "a.txt").write_bytes(NEW["a.txt"])
    (folder / "kept.txt").unlink(missing_ok=True)
    (folder / "kept.txt").write_bytes(NEW["kept.txt"])
    (folder / "deep" / "b.txt").unlink(missing_ok=True)
    (folder / "deep").mkdir(exist_ok=True)
    (folder / "deep" / "c.txt").write_bytes(NEW["deep/c.txt"])


def emptied(folder: Path) -> None:
    """What leaves nothing of a folder."""
    shutil.rmtree(folder / "deep")
    for path in folder.iterdir():
        path.unlink()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with the old folder in it."""
    for name, data in OLD.items():
        (tmp_path / "gpu" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "gpu" / name).write_bytes(data)
    return tmp_path


def left_over(store: Path) -> list[str]:
    return [path.name for path in store.iterdir() if path.name not in ("gpu", replacement.LOCK)]


def test_a_folder_is_replaced(store: Path) -> None:
    """The change is made, and nothing else is left in the store."""
    replacement.replace(store / "gpu", to_new)
    assert contents(store / "gpu") == NEW
    assert left_over(store) == []


def test_a_folder_is_made_where_there_was_none(store: Path) -> None:
    """A first acceptance begins with nothing."""
    replacement.replace(store / "new", to_new)
    assert contents(store / "new") == NEW


def test_a_folder_emptied_is_gone(store: Path) -> None:
    """Where everything was removed, no empty folder stays."""
    replacement.replace(store / "gpu", emptied)
    assert not (store / "gpu").exists()
    assert left_over(store) == []


def test_an_error_leaves_the_old_folder(store: Path) -> None:
    """Whatever goes wrong while the change is made, nothing of it is seen."""

    def half(folder: Path) -> None:
        to_new(folder)
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        replacement.replace(store / "gpu", half)
    assert contents(store / "gpu") == OLD
    assert left_over(store) == []


def test_what_cannot_be_written_is_told_in_a_sentence(store: Path) -> None:
    """A full disk is a refusal, and the old folder stands."""

    def full(folder: Path) -> None:
        to_new(folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(Refusal, match=r"gpu.*No space left on device"):
        replacement.replace(store / "gpu", full)
    assert contents(store / "gpu") == OLD
    assert left_over(store) == []


def test_every_step_may_be_the_last(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut short at each single step on the disk, readers find the old or the new folder, and so does who repairs."""
    seen = set()
    for number in range(200):
        shutil.rmtree(store / "gpu", ignore_errors=True)
        for name, data in OLD.items():
            (store / "gpu" / name).parent.mkdir(parents=True, exist_ok=True)
            (store / "gpu" / name).write_bytes(data)
        if not killed_at(number, monkeypatch, lambda: replacement.replace(store / "gpu", to_new)):
            break
        assert replacement.names_in(store) == ["gpu"]
        found = contents(replacement.standing(store / "gpu"))
        assert found in (OLD, NEW)
        seen.add((found == NEW, (store / "gpu").exists()))
        with replacement.locked(store):
            pass
        assert contents(store / "gpu") == found
        assert left_over(store) == []
    assert number > 5
    assert seen == {(False, True), (False, False), (True, True)}


def test_repairing_may_be_cut_short_too(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second kill while the first is made good changes nothing about the outcome."""

    def repair() -> None:
        with replacement.locked(store):
            pass

    for number in range(100):
        (store / "gpu").rename(store / f"{replacement.FORMER}gpu")
        shutil.copytree(store / f"{replacement.FORMER}gpu", store / f"{replacement.NEW}gpu", dirs_exist_ok=True)
        cut_short = killed_at(number, monkeypatch, repair)
        assert contents(replacement.standing(store / "gpu")) == OLD
        repair()
        assert contents(store / "gpu") == OLD
        assert left_over(store) == []
        if not cut_short:
            break
    assert number > 1


def test_a_removal_that_is_cut_short_leaves_all_or_nothing(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a folder is emptied, too."""
    for number in range(100):
        for name, data in OLD.items():
            (store / "gpu" / name).parent.mkdir(parents=True, exist_ok=True)
            (store / "gpu" / name).write_bytes(data)
        cut_short = killed_at(number, monkeypatch, lambda: replacement.replace(store / "gpu", emptied))
        assert contents(replacement.standing(store / "gpu")) in (OLD, {})
        with replacement.locked(store):
            pass
        if not cut_short:
            break
    assert number > 3


def test_what_is_being_prepared_is_not_read(store: Path) -> None:
    """Reading neither waits for an acceptance in the making nor believes it."""
    (store / f"{replacement.NEW}gpu").mkdir()
    with replacement.locked(store):
        assert contents(replacement.standing(store / "gpu")) == OLD
        assert replacement.names_in(store) == ["gpu"]


def test_two_writers_come_one_after_the_other(store: Path) -> None:
    """While one holds the store, another waits, and is refused in the end."""
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with replacement.locked(store):
            entered.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert entered.wait(10)
    with pytest.raises(Refusal, match="Another process is writing"), replacement.locked(store, timeout=0.1):
        pytest.fail("two writers at once")
    leave.set()
    with replacement.locked(store, timeout=10):
        pass
    holder.join()


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file where the store should be gives a sentence."""
    (tmp_path / "store").write_text("not a folder")
    with pytest.raises(Refusal, match="cannot be written"), replacement.locked(tmp_path / "store"):
        pytest.fail("a file was locked")

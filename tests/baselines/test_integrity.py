"""Integrity: what was accepted and is damaged, or that nobody uses, is told in a sentence that names the file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.baselines import integrity, limits, manifest
from fluxgate.baselines.store import Store
from fluxgate.refusal import Refusal
from fluxgate.subjects.subject import Subject
from tests.baselines.calibrated import file_for, sealed
from tests.runs.building import CASES, MACHINE, SHOTS, SUBJECT, contents
from tests.wording import unsaid


def refuse_damaged(own: Path, *, shipped: Path | None = None, accepted: bool = True) -> None:
    integrity.refuse_damaged(Store(own, shipped), machine=MACHINE.id, subjects=["tiny"], accepted=accepted)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "nf4-fox-0": lambda folder: next(folder.glob("pictures/nf4-fox-0-*")).unlink(),
    "nf4.json": lambda folder: (folder / "facts/nf4.json").unlink(),
    "full.json": lambda folder: (folder / "facts/full.json").write_text("{}"),
    "mine.png": lambda folder: (folder / "pictures/mine.png").write_bytes(b"x"),
    "SHA256SUMS": lambda folder: (folder / manifest.NAME).unlink(),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_any_damage_is_refused_with_its_file(own: Path, name: str) -> None:
    """A picture or facts that are gone, facts that were edited, a stray file, no manifest."""
    refuse_damaged(own)
    DAMAGE[name](own / MACHINE.id / "tiny")
    with pytest.raises(Refusal, match=name):
        refuse_damaged(own)


def test_whoever_judges_by_promises_alone_needs_no_sound_pictures(own: Path) -> None:
    """Only the limits are read then."""
    DAMAGE["full.json"](own / MACHINE.id / "tiny")
    refuse_damaged(own, accepted=False)


def test_one_refusal_says_how_much_more_is_damaged(own: Path) -> None:
    """The first file is named, and the others are counted."""
    for path in (own / MACHINE.id / "tiny" / "pictures").iterdir():
        path.unlink()
    with pytest.raises(Refusal, match=r"is missing.*\(and 6 more like it\)$"):
        refuse_damaged(own)


def test_only_what_will_be_looked_at_must_be_sound(own: Path) -> None:
    """Damage to another subject, or another machine's pictures, keeps nobody from judging this one."""
    for place in (own / MACHINE.id / "other", own / "another-gpu" / "tiny"):
        (place / "facts").mkdir(parents=True)
        (place / "facts" / "full.json").write_text("{}")
        manifest.seal(place)
        (place / "facts" / "full.json").unlink()
    refuse_damaged(own)
    assert len(integrity.damage_in(own)) == 2


def test_what_ships_may_be_a_part(accepted: Path, tmp_path: Path) -> None:
    """Of a machine's folder only the limits ship: what its manifest lists beside them is not missing."""
    shipped = Path(shutil.copytree(accepted, tmp_path / "shipped"))
    folder = shipped / MACHINE.id / "tiny"
    shutil.rmtree(folder / "facts")
    refuse_damaged(tmp_path / "own", shipped=shipped)
    picture = next(folder.glob("pictures/full-*"))
    picture.write_bytes(b"x")
    with pytest.raises(Refusal, match=picture.name):
        refuse_damaged(tmp_path / "own", shipped=shipped)


@pytest.mark.parametrize("place", [MACHINE.id, "portable", "another-gpu"])
def test_damaged_limits_are_refused_wherever_they_come_from(tmp_path: Path, place: str) -> None:
    """The machine's own, the portable ones, and those of a GPU that may lend them; told with their file."""
    path = sealed(tmp_path, file_for(place, 0.9))
    refuse_damaged(tmp_path, accepted=False)
    path.write_bytes(path.read_bytes().replace(b"0.9", b"0.8", 1))
    with pytest.raises(Refusal, match=rf"{place}.tiny.{limits.FILE} was damaged or edited"):
        refuse_damaged(tmp_path, accepted=False)


@pytest.mark.parametrize(("place", "subject"), [("cpu-avx2-torch1.0", "tiny"), ("another-gpu", "other")])
def test_limits_that_nobody_will_read_refuse_nothing(tmp_path: Path, place: str, subject: str) -> None:
    """A CPU lends nothing to a GPU, and another subject's limits are not asked for."""
    path = sealed(tmp_path, replace(file_for(place, 0.9), subject=subject))
    path.write_bytes(path.read_bytes().replace(b"0.9", b"0.8", 1))
    refuse_damaged(tmp_path, accepted=False)


def test_one_machine_may_be_looked_at_as_a_whole(own: Path) -> None:
    """Whoever writes into a machine's folder asks for every subject in it."""
    integrity.refuse_damaged_machine(own, MACHINE.id)
    (own / MACHINE.id / "tiny" / "facts" / "nf4.json").unlink()
    with pytest.raises(Refusal, match=r"nf4\.json is missing"):
        integrity.refuse_damaged_machine(own, MACHINE.id)
    integrity.refuse_damaged_machine(own, "another-gpu")


def complaints(own: Path, *, cases: Collection[str] = CASES, subject: Subject = SUBJECT) -> tuple[str, ...]:
    return integrity.complaints(Store(own), cases=cases, subjects={"tiny": subject})


def test_what_nobody_uses_is_named_with_the_command(accepted: Path) -> None:
    """Baselines without a case, and those of other recipes, each give a sentence that says how to remove them."""
    assert complaints(accepted) == ()
    (orphan,) = complaints(accepted, cases={"tiny-full"})
    assert not unsaid(orphan, "facts/nf4.json", "no case", "fluxgate accept --prune")
    reshot = replace(SUBJECT, shots=(SHOTS[0], replace(SHOTS[1], steps=5)))
    assert ["asked for differently today" in sentence for sentence in complaints(accepted, subject=reshot)] == [
        True
    ] * 2


def test_damage_is_told_before_disuse(own: Path) -> None:
    """A damaged store is told as damaged, whatever else is wrong."""
    (own / MACHINE.id / "tiny" / "facts" / "nf4.json").unlink()
    (told,) = complaints(own, cases={})
    assert "nf4.json is missing" in told


def test_nobody_is_asked_to_remove_what_ships(accepted: Path, tmp_path: Path) -> None:
    """Only the own folder can be pruned."""
    assert integrity.complaints(Store(tmp_path, accepted), cases={}, subjects={}) == ()


def test_looking_changes_nothing(accepted: Path) -> None:
    """Neither refusing nor complaining writes anything."""
    before = contents(accepted)
    refuse_damaged(accepted)
    complaints(accepted)
    assert contents(accepted) == before

"""Tests of a case as bytes: it arrives whole, and what a stranger put into it is refused."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.files import write_plain
from fluxgate.fleet import packing
from fluxgate.fleet.packing import packed, sound_rendering, unpack
from fluxgate.refusal import Refusal
from fluxgate.rendering import RENDERING
from tests.runs.building import SHOTS, contents, rendering

RECIPES = {shot.name: shot.recipe for shot in SHOTS}


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A rendered case."""
    folder = tmp_path / "node" / "tiny-full"
    folder.mkdir(parents=True)
    write_plain(folder / RENDERING, rendering("full", folder))
    return folder


def tar(*entries: tarfile.TarInfo, content: bytes = b"") -> bytes:
    """An archive of these entries, as a stranger makes it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:") as archive:
        for entry in entries:
            entry.size = len(content) if entry.isreg() else 0
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def test_a_case_arrives_as_it_was(case: Path, tmp_path: Path) -> None:
    """File for file; a folder and a link beside them stay behind."""
    before = contents(case)
    (case / "scratch").mkdir()
    (case / "link").symlink_to("/etc/hostname")
    unpack(packed(case), tmp_path / "here", whence="a node")
    assert contents(tmp_path / "here") == before


@pytest.mark.parametrize(
    "made",
    [
        entry("../outside.png"),
        entry("/tmp/outside.png"),
        entry("a/b.png"),
        entry(".hidden"),
        entry("link", tarfile.SYMTYPE, "/etc/passwd"),
        entry("hard", tarfile.LNKTYPE, "fox-0.png"),
        entry("pipe", tarfile.FIFOTYPE),
        entry("device", tarfile.CHRTYPE),
        entry("folder", tarfile.DIRTYPE),
    ],
    ids=lambda made: made.name,
)
def test_what_is_no_plain_file_is_refused(made: tarfile.TarInfo, tmp_path: Path) -> None:
    """With all that was sent beside it: nothing is written."""
    with pytest.raises(Refusal, match="a node"):
        unpack(tar(entry("good.png"), made), tmp_path / "in" / "here", whence="a node")
    assert list(tmp_path.iterdir()) == []


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    """Nobody can say which of them counts."""
    with pytest.raises(Refusal, match="belong"):
        unpack(tar(entry("a.png"), entry("a.png")), tmp_path / "here", whence="a node")


def test_folders_arrive_as_deep_as_they_may(case: Path, tmp_path: Path) -> None:
    """What lies deeper stays behind; of a stranger's it is refused."""
    (case / "once-more" / "deeper").mkdir(parents=True)
    (case / "once-more" / "a.png").write_bytes(b"1")
    (case / "once-more" / "deeper" / "b.png").write_bytes(b"2")
    unpack(packed(case, deep=2), tmp_path / "here", whence="a node", deep=2)
    assert set(contents(tmp_path / "here")) == set(contents(case)) - {"once-more/deeper/b.png"}
    with pytest.raises(Refusal, match="belong"):
        unpack(packed(case, deep=3), tmp_path / "there", whence="a node", deep=2)


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 2000])
def test_what_is_no_archive_is_refused(data: bytes, tmp_path: Path) -> None:
    """In a sentence that names who has sent it."""
    with pytest.raises(Refusal, match="a node sent is damaged"):
        unpack(data, tmp_path / "here", whence="a node")


def test_an_archive_without_a_rendering_is_refused(tmp_path: Path) -> None:
    """It is empty, or has other files."""
    unpack(tar(entry("a.png")), tmp_path / "here", whence="a node")
    with pytest.raises(Refusal, match="missing"):
        sound_rendering(tmp_path / "here", "tiny-full", recipes=RECIPES, device="cuda")


def test_a_sender_is_held_to_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of bytes, and of files; one below each is taken."""
    data = tar(entry("a"), entry("b"), content=b"1234")
    monkeypatch.setattr(packing, "LARGEST", len(data))
    monkeypatch.setattr(packing, "MOST_FILES", 2)
    unpack(data, tmp_path / "here", whence="a node")
    monkeypatch.setattr(packing, "MOST_FILES", 1)
    with pytest.raises(Refusal, match="belong"):
        unpack(data, tmp_path / "there", whence="a node")
    monkeypatch.setattr(packing, "LARGEST", len(data) - 1)
    with pytest.raises(Refusal, match="at most"):
        unpack(data, tmp_path / "there", whence="a node")


def test_a_sound_rendering_is_taken(case: Path) -> None:
    """It is of the case that was asked for, and its pictures have their hashes."""
    assert sound_rendering(case, "tiny-full", recipes=RECIPES, device="cuda").strategy == "full"


def test_another_case_is_refused(case: Path) -> None:
    """Another strategy, another device, other shots."""
    for case_id, device, recipes in (
        ("tiny-nf4", "cuda", RECIPES),
        ("tiny-full", "cpu", RECIPES),
        ("tiny-full", "cuda", {"fox": "0"}),
    ):
        with pytest.raises(Refusal, match="not of"):
            sound_rendering(case, case_id, recipes=recipes, device=device)


def test_another_picture_is_refused(case: Path) -> None:
    """Its pixels have not the hash that the rendering says; and one that is missing, or lies elsewhere, is none."""
    sound = rendering("full", case)
    (case / "fox-0.png").write_bytes((case / "pair-0.png").read_bytes())
    with pytest.raises(Refusal, match="another hash"):
        sound_rendering(case, "tiny-full", recipes=RECIPES, device="cuda")
    elsewhere = replace(sound, pictures=(replace(sound.pictures[0], file="../fox-0.png"),))
    write_plain(case / RENDERING, elsewhere)
    with pytest.raises(Refusal, match="no file name"):
        sound_rendering(case, "tiny-full", recipes=RECIPES, device="cuda")

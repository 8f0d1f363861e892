"""The manifest: no changed byte, missing file or stray file of a baseline goes unnoticed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.baselines import manifest
from fluxgate.refusal import Refusal

FILES = {"facts/full.json": b'{"a": 1}\n', "pictures/fox-0.png": b"\x89PNG", "limits.json": b"{}\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sealed folder of three files."""
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    manifest.seal(tmp_path)
    return tmp_path


def test_a_sealed_folder_has_no_damages(folder: Path) -> None:
    """What was sealed is read back byte for byte."""
    assert manifest.damage_in(folder) == ()
    assert {name: manifest.read_sealed(folder, name) for name in FILES} == FILES


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="the system has no sha256sum")
def test_the_manifest_is_what_sha256sum_reads(folder: Path) -> None:
    """A person can check a baseline without this project."""
    subprocess.run(["sha256sum", "--check", "--strict", manifest.NAME], cwd=folder, check=True, capture_output=True)


@given(name=st.sampled_from(sorted(FILES)), place=st.integers(0, 3), bit=st.integers(0, 7))
def test_any_changed_bit_is_noticed(tmp_path_factory: pytest.TempPathFactory, name: str, place: int, bit: int) -> None:
    """Whichever bit of whichever file changes, reading it and looking for damage name the file."""
    folder = tmp_path_factory.mktemp("sealed")
    for each, data in FILES.items():
        (folder / each).parent.mkdir(exist_ok=True)
        (folder / each).write_bytes(data)
    manifest.seal(folder)
    changed = bytearray(FILES[name])
    changed[place % len(changed)] ^= 1 << bit
    (folder / name).write_bytes(changed)
    (told,) = manifest.damage_in(folder)
    assert str(folder / name) in told
    with pytest.raises(Refusal, match="damaged or edited"):
        manifest.read_sealed(folder, name)


def test_a_missing_and_a_stray_file_are_told(folder: Path) -> None:
    """Each has its own sentence."""
    (folder / "limits.json").unlink()
    (folder / "pictures" / "mine.png").write_bytes(b"x")
    stray, missing = manifest.damage_in(folder)
    assert "mine.png is not listed" in stray
    assert "limits.json is missing" in missing
    with pytest.raises(Refusal, match="is missing"):
        manifest.read_sealed(folder, "limits.json")
    with pytest.raises(Refusal, match="not listed"):
        manifest.read_sealed(folder, "pictures/mine.png")


def test_a_link_in_the_place_of_a_file_is_damage(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A symbolic link is no accepted file, even to equal bytes."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "limits.json"
    elsewhere.write_bytes(FILES["limits.json"])
    (folder / "limits.json").unlink()
    (folder / "limits.json").symlink_to(elsewhere)
    assert "limits.json" in manifest.damage_in(folder)[0]


HASH = "0" * 64


@pytest.mark.parametrize(
    "text",
    [
        "nonsense\n",
        f"{HASH} facts/full.json\n",
        f"{HASH.upper()[:-1]}X  facts/full.json\n",
        f"{HASH}  ../../etc/passwd\n",
        f"{HASH}  /etc/passwd\n",
        f"{HASH}  facts/../x\n",
        f"{HASH}  elsewhere/x\n",
        f"{HASH}  pictures/.hidden\n",
        f"{HASH}  limits.json\n{HASH}  limits.json\n",
        "é\n",
    ],
)
def test_a_manifest_that_is_none_is_refused(folder: Path, text: str) -> None:
    """Damaged lines, names that leave the folder and doubles are refused by file and line."""
    (folder / manifest.NAME).write_text(text)
    with pytest.raises(Refusal, match=manifest.NAME):
        manifest.listed(folder)
    assert "SHA256SUMS" in manifest.damage_in(folder)[0]


def test_a_missing_or_huge_manifest_is_refused(folder: Path) -> None:
    """Without its manifest nothing of a folder is believed."""
    with (folder / manifest.NAME).open("ab") as stream:
        stream.truncate(manifest.LARGEST_MANIFEST + 1)
    with pytest.raises(Refusal, match="at most"):
        manifest.listed(folder)
    (folder / manifest.NAME).unlink()
    with pytest.raises(Refusal, match="is missing"):
        manifest.read_sealed(folder, "limits.json")

"""Tests of the manifest of a grown folder: damaged ones are refused, and stale ones are known."""

import json
import shutil
from pathlib import Path

import pytest

from fluxgate.miniature.growth.grown_folder import grow, why_not_usable
from fluxgate.miniature.growth.manifest import MANIFEST
from fluxgate.refusal import Refusal
from tests.miniature.growth.sizes import BIG, another_miniature, damaged_in


def test_another_miniature_makes_the_grown_one_stale(small: Path, big: Path, tmp_path: Path) -> None:
    """The manifest knows its miniature's hash; growing again replaces the stale folder."""
    other = another_miniature(small, tmp_path / "other")
    folder = shutil.copytree(big, tmp_path / "grown")
    assert "grown from another miniature" in str(why_not_usable(folder, source=other, target=BIG))
    grow(folder, source=other, target=BIG)
    assert why_not_usable(folder, source=other, target=BIG) is None
    assert damaged_in(folder) == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"source": 1}', b"\xff\xfe", b'{"files": {"../../x": {"bytes": 1, "sha256": ""}}}']
)
def test_a_damaged_manifest_is_refused_by_name(small: Path, big: Path, tmp_path: Path, content: bytes) -> None:
    """A manifest that cannot be read is an error that names it; the folder is not silently grown over."""
    folder = shutil.copytree(big, tmp_path / "grown")
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(Refusal, match=r"manifest\.json is damaged.*grown.* again"):
        grow(folder, source=small, target=BIG)
    assert (folder / MANIFEST).read_bytes() == content


def test_a_manifest_cannot_point_outside_its_folder(small: Path, big: Path, tmp_path: Path) -> None:
    """A name with a path in it is damage, not a file to look at."""
    folder = shutil.copytree(big, tmp_path / "grown")
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["../secret"] = manifest["files"].pop("vae/config.json")
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert "it names '../secret'" in str(why_not_usable(folder, source=small, target=BIG))

"""Tests of files of weights that are mapped."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from fluxgate.render.measure.mapped_files import MAPS, mapped_weights


@pytest.mark.skipif(not MAPS.exists(), reason="this system does not tell what is mapped")
@pytest.mark.parametrize(("name", "counts"), [("a b.gguf", 1), ("a.safetensors", 1), ("a.txt", 0)])
def test_a_file_of_weights_is_seen_as_long_as_it_is_mapped(tmp_path: Path, name: str, counts: int) -> None:
    """Also when it has been deleted meanwhile."""
    path, before = tmp_path / name, mapped_weights()
    path.write_bytes(b"0" * 4096)
    assert before is not None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ):
        assert len((mapped_weights() or set()) - before) == counts
        path.unlink()
        assert len((mapped_weights() or set()) - before) == counts
    assert (mapped_weights() or set()) - before == set()


def test_a_system_that_does_not_tell_has_no_count(tmp_path: Path) -> None:
    """As any but Linux."""
    assert mapped_weights(tmp_path / "maps") is None

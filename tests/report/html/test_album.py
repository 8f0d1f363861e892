"""Tests of the album: every picture once, and what it says of each pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.pictures import hash_of, write_png
from fluxgate.report.html import album as albums
from fluxgate.report.html.album import Album, album
from fluxgate.report.html.pictures import Whole, id_of
from fluxgate.runs.rendered import Rendered
from tests.report.html.made import rendered, sides
from tests.runs import building

REFERENCES = {"tiny-offload": "tiny-full", "tiny-staged": "tiny-full"}


def album_of(root: Path, *, whole: Whole = Whole.BESIDE, **seeds: int) -> Album:
    """Of cases whose pictures come of these seeds."""
    cases: dict[str, Rendered] = {f"tiny-{name}": rendered(root, name, seed=seed) for name, seed in seeds.items()}
    return album(sides(cases, REFERENCES, root), (), whole=whole)


def test_each_picture_is_there_once(tmp_path: Path) -> None:
    """Two cases with the same pictures share them, within the page and beside it."""
    found = album_of(tmp_path, full=0, staged=0)
    assert len([name for name in found.printed if name.startswith("p-")]) == 5
    assert len(found.whole) == 5
    assert all(one.identical for one in found.comparisons["tiny-staged"])


def test_the_least_alike_comes_first(tmp_path: Path) -> None:
    """With how far it is off."""
    found = album_of(tmp_path, full=0, offload=7).comparisons["tiny-offload"]
    means = [one.apart.mean for one in found if one.apart]
    assert means == sorted(means, reverse=True)
    assert "of the pixels differ" in found[0].sentence


def test_each_case_has_a_map_before_any_has_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take time, so that there are only some."""
    monkeypatch.setattr(albums, "MOST_MAPS", 2)
    found = album_of(tmp_path, full=0, offload=7, staged=8)
    for name in ("tiny-offload", "tiny-staged"):
        assert [one.map is not None for one in found.comparisons[name]] == [True, False, False, False, False]


def test_a_damaged_picture_is_told_of(tmp_path: Path) -> None:
    """Its pair comes first, and nothing of it is shown."""
    case = rendered(tmp_path, "full")
    (case.folder / "fox-0.png").write_bytes(b"no picture")
    found = album(sides({"tiny-full": case}, {}, tmp_path), ())
    (first, *rest) = found.comparisons["tiny-full"]
    assert first.pair.shot == "fox"
    assert first.trouble is not None
    assert "is not a PNG" in first.sentence
    assert len(found.whole) == len(rest) == 4


def test_the_other_picture_of_a_damaged_one_is_shown(tmp_path: Path) -> None:
    """The reference's is damaged; the case's own is there."""
    reference, ours = rendered(tmp_path, "full"), rendered(tmp_path, "offload", seed=7)
    (reference.folder / "fox-0.png").write_bytes(b"no picture")
    found = album(sides({"tiny-offload": ours, "tiny-full": reference}, REFERENCES, tmp_path), ())
    (first, *_) = found.comparisons["tiny-offload"]
    assert first.trouble is not None
    assert id_of(first.pair.actual) in found.printed


def test_pictures_of_another_size_are_not_compared(tmp_path: Path) -> None:
    """The words say which size was due."""
    ours, theirs = rendered(tmp_path, "offload", seed=7), rendered(tmp_path, "full")
    large = building.pixels(9, size=32)
    write_png(ours.folder / "fox-0.png", large)
    picture = next(one for one in ours.rendering.pictures if one.shot == "fox")
    changed = replace(picture, sha256=hash_of(large), height=32, width=32)
    ours = Rendered(replace(ours.rendering, pictures=(changed,)), ours.folder)
    found = album(sides({"tiny-full": theirs, "tiny-offload": ours}, REFERENCES, tmp_path), ())
    assert found.comparisons["tiny-offload"][0].sentence == "is 32×32 where 16×16 is due"


def test_nothing_lies_beside_a_page_that_holds_whole_pictures(tmp_path: Path) -> None:
    """Each is within."""
    found = album_of(tmp_path, whole=Whole.WITHIN, full=0)
    assert found.whole == {}
    assert all(one.address.startswith("data:image/png") for one in found.printed.values())


def test_a_page_of_small_pictures_has_no_whole_ones(tmp_path: Path) -> None:
    """Neither within nor beside, and no link to one."""
    found = album_of(tmp_path, whole=Whole.NOWHERE, full=0)
    assert found.whole == {}
    assert all(one.address.startswith("data:image/webp") and one.file is None for one in found.printed.values())

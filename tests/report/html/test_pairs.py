"""Tests of which pictures stand beside which."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.judge.verdict import BASELINE, FAILED, PROMISE, Verdict
from fluxgate.pictures import write_png
from fluxgate.report.html.pairs import PagePair, pairs_by_case
from fluxgate.runs.rendered import Rendered
from tests.report.html.made import rendered, sides
from tests.runs import building

REFERENCES = {"tiny-offload": "tiny-full"}


@pytest.fixture
def both(tmp_path: Path) -> dict[str, Rendered]:
    """The reference, and a case whose pictures are others."""
    return {f"tiny-{name}": rendered(tmp_path, name, seed=seed) for name, seed in (("full", 0), ("offload", 7))}


def failed(check: str, **pictures: str) -> Verdict:
    return Verdict("tiny", "offload", check, FAILED, "A sentence.", pictures=pictures)


def of_offload(both: dict[str, Rendered], *verdicts: Verdict, run: Path) -> list[PagePair]:
    return pairs_by_case(sides(both, REFERENCES, run), verdicts)["tiny-offload"]


def test_a_picture_stands_beside_the_references(both: dict[str, Rendered], tmp_path: Path) -> None:
    """Of the same shot and number; the reference's own stand alone."""
    found = pairs_by_case(sides(both, REFERENCES, tmp_path), ())
    assert {(pair.shot, pair.index, pair.against) for pair in found["tiny-offload"]} == {
        ("fox", 0, "full"),
        *(("pair", index, "full") for index in range(4)),
    }
    first = found["tiny-offload"][0]
    assert first.expected is not None
    assert (first.expected.path.parent.name, first.actual.path.parent.name) == ("tiny-full", "tiny-offload")
    assert {pair.expected for pair in found["tiny-full"]} == {None}


def test_the_pair_that_a_check_failed_by_is_marked(both: dict[str, Rendered], tmp_path: Path) -> None:
    """Where it stands beside its reference already."""
    paths = {"expected": "cases/tiny-full/pair-1.png", "actual": "cases/tiny-offload/pair-1.png"}
    found = of_offload(both, failed(PROMISE, **paths), run=tmp_path)
    assert [(pair.shot, pair.index) for pair in found if pair.wrong] == [("pair", 1)]
    assert len(found) == 5


def test_an_accepted_picture_is_one_more_pair(both: dict[str, Rendered], tmp_path: Path) -> None:
    """Beside the reference's, the copy that the run has of what was accepted."""
    write_png(tmp_path / "pictures" / "accepted.png", building.pixels(3))
    paths = {"expected": "pictures/accepted.png", "actual": "cases/tiny-offload/fox-0.png"}
    found = of_offload(both, failed(BASELINE, **paths), run=tmp_path)
    assert [(pair.shot, pair.against) for pair in found if pair.wrong] == [("fox", "what was accepted")]
    assert len(found) == 6


@pytest.mark.parametrize("expected", ["../secret.png", "/secret.png", "pictures/missing.png", "run.json"])
def test_a_verdict_leads_nowhere_outside_of_the_run(both: dict[str, Rendered], tmp_path: Path, expected: str) -> None:
    """Its paths are read from a file: what is not a picture within the run is not shown."""
    write_png(tmp_path.parent / "secret.png", building.pixels(3))
    paths = {"expected": expected, "actual": "cases/tiny-offload/fox-0.png"}
    assert len(of_offload(both, failed(BASELINE, **paths), run=tmp_path)) == 5


def test_a_second_take_that_came_out_otherwise_is_one_more_pair(both: dict[str, Rendered], tmp_path: Path) -> None:
    """It is held against the first."""
    ours = both["tiny-offload"]
    pictures = tuple(
        replace(one, sha256="f" * 64) if (one.shot, one.take) == ("fox", 1) else one for one in ours.rendering.pictures
    )
    both["tiny-offload"] = Rendered(replace(ours.rendering, pictures=pictures), ours.folder)
    found = of_offload(both, run=tmp_path)
    assert [(pair.shot, pair.against) for pair in found if pair.wrong] == [("fox", "its first take")]

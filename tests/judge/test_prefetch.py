"""Tests of looking ahead: the judge finds its slow work done, and is told nothing else for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.cases import Case
from fluxgate.compare import pairs
from fluxgate.judge import readings
from fluxgate.judge.prefetch import compare_early
from fluxgate.judge.verdict import FAILED, PROMISE
from fluxgate.rendering import Picture
from fluxgate.runs.rendered import Rendered
from tests.judge.made import NF4, SUBJECT, changed, evidence, made, nudge, verdict


@pytest.fixture(autouse=True)
def _nothing_compared() -> None:
    pairs._compared.cache_clear()


def compared() -> int:
    return pairs._compared.cache_info().currsize


def moved(tmp_path: Path) -> Rendered:
    """Quantized pictures, each a level away from the reference's."""
    return changed(changed(made(tmp_path, "nf4"), nudge), nudge, take=1)


def pictures_of(found: Rendered, take: int = 0) -> tuple[Picture, ...]:
    return tuple(found.rendering.pictures_of(take).values())


def test_what_was_looked_at_is_not_compared_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge's own verdict is the same, and comes without a comparison."""
    ours, case = moved(tmp_path), Case(SUBJECT, NF4, "cuda")
    whole = replace(evidence(tmp_path, NF4), rendered=ours)
    expected = verdict(whole, PROMISE)
    pairs._compared.cache_clear()
    compare_early(case, pictures_of(ours), ours.folder, reference=made(tmp_path))
    assert compared() == len({picture.sha256 for picture in pictures_of(ours)})
    monkeypatch.setattr(pairs, "likeness_of", None)  # whoever calls it now fails
    assert verdict(whole, PROMISE) == expected


def test_a_second_take_is_compared_by_its_hash(tmp_path: Path) -> None:
    """It costs nothing, so nothing is done ahead."""
    ours = moved(tmp_path)
    compare_early(Case(SUBJECT, NF4, "cuda"), pictures_of(ours, take=1), ours.folder, reference=made(tmp_path))
    assert compared() == 0


def test_without_a_reference_pictures_are_only_read(tmp_path: Path) -> None:
    """Of a subject whose pictures can be read; a shot that gives no scene is left alone."""
    ours = moved(tmp_path)
    shots = tuple(replace(shot, readable=shot.name == "fox") for shot in SUBJECT.shots)
    readings._reading.cache_clear()
    for reader, read in ((None, 0), ("storybook", 1)):
        subject = replace(SUBJECT, reader=reader, shots=shots)
        compare_early(Case(subject, NF4, "cuda"), pictures_of(ours), ours.folder, reference=None)
        assert readings._reading.cache_info().currsize == read
    assert compared() == 0


def test_what_is_wrong_with_a_picture_is_left_to_the_judge(tmp_path: Path) -> None:
    """A damaged file, a name that leads out of the folder: no word now, a failure when the case is judged."""
    ours, case = moved(tmp_path), Case(SUBJECT, NF4, "cuda")
    first, *others = pictures_of(ours)
    (ours.folder / first.file).write_bytes(b"no picture")
    hostile = replace(others[0], file="../../passwd")
    compare_early(case, (first, hostile), ours.folder, reference=made(tmp_path))
    assert compared() == 0
    assert verdict(replace(evidence(tmp_path, NF4), rendered=ours), PROMISE).status == FAILED

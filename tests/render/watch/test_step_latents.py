"""Tests of latents that are put aside."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.watch.step_latents import StepLatents  # noqa: E402


def test_latents_come_back_in_the_order_of_their_steps_and_leave_no_file(tmp_path: Path) -> None:
    """Whatever dtype they had, and in whatever order they were put aside; another shot's stay."""
    latents = StepLatents(tmp_path)
    for shot, step in (("one", 10), ("one", 2), ("one-0", 3)):
        latents.keep(shot, step, torch.full((1, 4), step, dtype=torch.bfloat16))
    found = latents.taken("one")
    assert [(step, float(values[0, 0])) for step, values in found.items()] == [(2, 2.0), (10, 10.0)]
    assert [path.name for path in tmp_path.iterdir()] == ["one-0.3.latents.npy"]


def test_a_shot_whose_name_goes_on_with_a_dot_keeps_its_latents(tmp_path: Path) -> None:
    """`one` and `one.5` may be shots of one subject."""
    latents = StepLatents(tmp_path)
    for shot in ("one", "one.5"):
        latents.keep(shot, 3, torch.zeros(1, 4))
    assert [list(latents.taken(shot)) for shot in ("one", "one.5")] == [[3], [3]]


def test_what_another_process_put_aside_is_taken_over(tmp_path: Path) -> None:
    """It is moved, for the folder of a part goes with the part."""
    part, case = tmp_path / "part", tmp_path / "case"
    part.mkdir()
    case.mkdir()
    StepLatents(part).keep("one", 1, torch.zeros(1, 4))
    latents = StepLatents(case)
    latents.add_from_process(part)
    assert list(part.iterdir()) == []
    assert list(latents.taken("one")) == [1]


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    """A case is not lost over a thumbnail."""
    latents = StepLatents(tmp_path / "missing")
    latents.keep("one", 1, torch.zeros(1, 4))
    assert latents.taken("one") == {}

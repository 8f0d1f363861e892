"""Tests of benchmarks/clean_sessions.py: what is not clean, and what did other work, is told and ends with 1."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.clean_sessions import Ended, _told
from fluxgate.rendering import DENOISE, PhaseWork, Rendering, Work
from tests.runs.building import rendering


@pytest.fixture
def rendered(tmp_path: Path) -> Rendering:
    counted = PhaseWork(DENOISE, {"aten.mm": 9})
    return replace(rendering("full", tmp_path), work=Work("fox", 3, ((counted,),), count=2))


def twice(one: Rendering) -> Rendering:
    """The same with twice as many products."""
    assert one.work is not None
    return replace(one, work=replace(one.work, calls=((PhaseWork(DENOISE, {"aten.mm": 18}),),)))


def test_sessions_that_did_the_same_are_clean(rendered: Rendering, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them were compared with the first."""
    assert _told([Ended("as it is", work={"tiny-full": rendered}), Ended("busy", work={"tiny-full": rendered})]) == 0
    assert "1 of 1 renderings" in capsys.readouterr().out


def test_other_work_is_told_once(rendered: Rendering, capsys: pytest.CaptureFixture[str]) -> None:
    """With the surroundings, the case and what is other."""
    sessions = [Ended("as it is", work={"tiny-full": rendered}), Ended("busy", work={"tiny-full": twice(rendered)})]
    assert _told(sessions) == 1
    out = capsys.readouterr().out
    assert out.count("tiny-full") == 1
    assert "busy: tiny-full did other work" in out
    assert "0 of 1 renderings" in out


def test_a_red_session_and_none_at_all_are_not_clean(rendered: Rendering) -> None:
    """What was left out everywhere proves nothing."""
    assert _told([Ended("as it is", work={"tiny-full": rendered}), Ended("busy", red=("FAILED",))]) == 1
    assert _told([Ended("as it is", left_out="there was no time left")]) == 1

"""Tests of what a second rendering confirms; those of memory are beside the check of its ceilings."""

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.judge.checks.confirming import confirmed
from fluxgate.judge.checks.speed import is_slow, speed
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import FAILED, PASSED, SPEED
from fluxgate.rendering import Duration
from tests.judge.made import evidence, verdict, with_rendering
from tests.wording import unsaid


def taking(tmp_path: Path, seconds: float) -> Evidence:
    """Denoising that took four seconds in each of five earlier runs."""
    found = evidence(tmp_path, paces={"denoise": (4.0,) * 5})
    return with_rendering(found, durations=(Duration("denoise", seconds, "fox", 0),))


def once_more(found: Evidence, seconds: float) -> Evidence:
    assert found.rendered is not None
    durations = (Duration("denoise", seconds, "fox", 0),)
    again = replace(found.rendered.rendering, durations=durations, wall_seconds=12.0)
    return replace(found, once_more=replace(found.rendered, rendering=again))


@pytest.mark.parametrize(("second", "status"), [(7.0, FAILED), (4.0, PASSED)])
def test_seconds_are_red_when_another_rendering_confirms_it(tmp_path: Path, second: float, status: str) -> None:
    """Somebody else may have had the machine for a while."""
    found = verdict(once_more(taking(tmp_path, 6.0), second), SPEED)
    assert (found.status, found.numbers["seconds denoise"]) == (status, second)
    assert not unsaid(found.sentence, "rendered once more", "12.0 s")


def test_what_is_well_is_not_asked_again(tmp_path: Path) -> None:
    """Another rendering was made for another reason, and its seconds are nothing to anybody."""
    well = taking(tmp_path, 4.0)
    assert (is_slow(well), is_slow(taking(tmp_path, 6.0))) == (False, True)
    assert confirmed(once_more(well, 9.0), speed).status == PASSED

"""Tests of the cache of environments: what is old goes, and what is in use stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

from fluxgate.gate.environments.building import RECORD, Built, build, lock_of
from fluxgate.gate.environments.clearing import DAY, clear, clear_wheels
from fluxgate.gate.environments.commits import LOCK
from fluxgate.gate.environments.pins import Pins
from fluxgate.locks import held
from tests.gate.environments.unzip import Unzip

PINS = Pins.of({"gamma": "1.0"})


def built(unzip: Unzip, *, days_ago: float) -> Path:
    """An environment that was last used some days ago."""
    made = build(PINS, installer=unzip)
    assert isinstance(made, Built)
    then = time.time() - days_ago * DAY
    os.utime(made.folder / RECORD, (then, then))
    return made.folder


def test_what_is_old_goes(empty_cache: Path, unzip: Unzip) -> None:
    """All of it, with its lock; what is younger stays."""
    folder = built(unzip, days_ago=10)
    assert (clear(empty_cache, days=11), folder.exists()) == (0, True)
    assert (clear(empty_cache, days=9), list(empty_cache.iterdir())) == (1, [])


def test_using_it_makes_it_young(empty_cache: Path, unzip: Unzip) -> None:
    """Whenever it was built."""
    folder = built(unzip, days_ago=10)
    again = build(PINS, installer=unzip)
    assert isinstance(again, Built)
    assert again.reused
    assert (clear(empty_cache, days=1), folder.exists()) == (0, True)


def test_what_somebody_holds_stays(empty_cache: Path, unzip: Unzip) -> None:
    """Another gate may be looking at it."""
    folder = built(unzip, days_ago=10)
    with held(lock_of(folder), waiting=""):
        assert clear(empty_cache, days=1) == 0
    assert folder.exists()


def test_where_nothing_was_built_there_is_nothing_to_clear(tmp_path: Path) -> None:
    """A first call."""
    assert clear(tmp_path / "nowhere", days=0) == 0


def test_old_wheels_of_commits_are_removed(tmp_path: Path) -> None:
    """One that is being built is left alone, and so is one of today's."""
    places = [tmp_path / name / "alpha-1.0-py3-none-any.whl" for name in ("new", "old", "building")]
    for path in places:
        path.parent.mkdir()
        path.touch()
    for path in places[1:]:
        os.utime(path, (0, 0))
    with held(tmp_path / "building" / LOCK, waiting=""):
        assert clear_wheels(tmp_path, days=60) == 1
    assert [path.exists() for path in places] == [True, False, True]
    assert clear_wheels(tmp_path / "nothing", days=60) == 0

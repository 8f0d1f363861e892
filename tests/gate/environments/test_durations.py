"""Tests of what is remembered of how long steps took."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.gate.environments.durations import KEPT, UNKNOWN, expected, note
from fluxgate.subjects import sources


@pytest.mark.usefixtures("empty_cache")
def test_what_was_never_measured_is_not_known() -> None:
    """Whatever else was."""
    note("import", 3.0)
    assert expected("resolve") == UNKNOWN


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize(
    ("seconds", "words"),
    [([3.2], "about 3 s"), ([0.01], "about 1 s"), ([2.6, 3.4], "about 3 s"), ([2.4, 40.0, 3.0], "2 to 40 s")],
)
def test_what_was_measured_is_expected_again(seconds: list[float], words: str) -> None:
    """Where it varied, from the least to the most."""
    for each in seconds:
        note("resolve", each)
    assert expected("resolve") == words


@pytest.mark.usefixtures("empty_cache")
def test_what_is_long_ago_is_forgotten() -> None:
    """The network may be another one now."""
    for each in (400.0, *[3.0] * KEPT):
        note("resolve", each)
    assert expected("resolve") == "about 3 s"


def test_a_file_that_is_spoilt_is_written_anew(empty_cache: Path) -> None:
    """Nothing depends on it."""
    note("resolve", 3.0)
    (file,) = (empty_cache.parent / "durations").iterdir()
    file.write_text('{"resolve": "soon"')
    assert expected("resolve") == UNKNOWN
    note("resolve", 4.0)
    assert expected("resolve") == "about 4 s"


def test_where_nothing_can_be_written_nothing_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing fails for that."""
    (tmp_path / "file").touch()
    monkeypatch.setenv(sources.CACHE, str(tmp_path / "file" / "cache"))
    note("resolve", 3.0)
    assert expected("resolve") == UNKNOWN

"""Tests of the seconds that a worker spends beside loading and rendering."""

from __future__ import annotations

from fluxgate.render.measure.laps import Laps


def test_each_second_is_charged_to_one_lap() -> None:
    """What is told elsewhere is left out; a lap may come again."""
    moments = iter([10.0, 11.0, 15.0, 16.0, 16.5])
    laps = Laps(lambda: next(moments))
    laps.end("start")
    laps.end("between takes", without=3.5)
    laps.end("start")
    laps.end("free", without=9.0)
    assert laps.seconds == {"start": 2.0, "between takes": 0.5, "free": 0.0}

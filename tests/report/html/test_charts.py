"""Tests of the charts: where things lie, and that nothing lies over something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.judge.verdict import CRASHED, FAILED, NO_DATA, PASSED, PROMISE
from fluxgate.rendering import PHASES
from fluxgate.report.html.charts import LABEL, LETTER, TOP, memory_chart, ticks, timeline, trade_chart
from fluxgate.report.rows import Row
from tests.runs import building


def row(name: str, gigabytes: float | None, seconds: float | None, **settings: Any) -> Row:
    peak = None if gigabytes is None else round(gigabytes * 1e9)
    peaks: dict[str, int | None] = dict.fromkeys((*PHASES, "whole"), peak)
    status = FAILED if settings.pop("failed", False) else settings.pop("status", PASSED)
    return Row("tiny", name, {PROMISE: status}, "allocated", peaks, seconds, settings.pop("likeness", None))


def test_the_memory_chart_begins_with_the_smallest() -> None:
    """A case that was not measured is left out."""
    chart = memory_chart([row("large", 30, 1), row("small", 10, 1), row("none", None, 1)])
    assert chart is not None
    assert [(bar.label, bar.amount) for bar in chart.bars] == [("small", "10.00 GB"), ("large", "30.00 GB")]
    assert chart.bars[1].end == pytest.approx(3 * chart.bars[0].end)
    assert [mark[0] for mark in chart.bars[0].marks] == ["triangle", "square", "circle", "diamond"]


def test_the_lines_are_the_sizes_of_cards() -> None:
    """Those that are within the chart, where they belong."""
    chart = memory_chart([row("full", 33.7, 1)])
    assert chart is not None
    assert [card.label for card in chart.axes.cards] == ["8", "12", "16", "24", "32"]
    scale = chart.bars[0].end / 33.7
    assert chart.axes.cards[0].at == pytest.approx(LABEL + 8 * scale)


def test_there_is_no_chart_of_nothing() -> None:
    """Neither of memory nor of seconds against it."""
    assert memory_chart([row("none", None, 1)]) is None
    assert trade_chart([row("one", 1, 1)]) is None


def test_shapes_tell_what_came_out() -> None:
    """To the pixel, alike, failed, not compared: without colour. What was not compared is no best."""
    chart = trade_chart(
        [
            row("full", 30, 10),
            row("same", 20, 12, likeness=1),
            row("alike", 10, 9, likeness=0.9),
            row("bad", 5, 5, failed=True),
            row("cut short", 1, 1, status=NO_DATA),
        ]
    )
    assert chart is not None
    assert [point.shape for point in chart.points] == ["circle", "circle", "ring", "cross", "diamond"]
    alike = next(point for point in chart.points if point.label == "alike")
    assert chart.best == f"{alike.x:.1f},{alike.y:.1f}"


def test_what_crashed_has_no_seconds() -> None:
    """It looks fast because it did not come to its end; its memory until then is told."""
    rows = [row("a", 10, 20), row("b", 20, 10), row("crash", 5, 1, status=CRASHED)]
    trade, memory = trade_chart(rows), memory_chart(rows)
    assert trade is not None
    assert memory is not None
    assert {point.label for point in trade.points} == {"a", "b"}
    assert {bar.label for bar in memory.bars} == {"a", "b", "crash"}


def test_the_line_joins_what_nothing_beats() -> None:
    """Neither what is larger and slower, nor what failed."""
    chart = trade_chart([row("a", 10, 20), row("b", 20, 10), row("worse", 25, 15), row("bad", 5, 5, failed=True)])
    assert chart is not None
    at = {point.label: f"{point.x:.1f},{point.y:.1f}" for point in chart.points}
    assert chart.best == f"{at['a']} {at['b']}"


@given(st.lists(st.tuples(st.floats(0.1, 80), st.floats(0.1, 1000)), min_size=2, max_size=40))
def test_no_label_lies_over_another(places: list[tuple[float, float]]) -> None:
    """A point that has no room for its label has none."""
    chart = trade_chart([row(f"strategy-{number}", *place) for number, place in enumerate(places)])
    assert chart is not None
    boxes = []
    for point in chart.points:
        if point.text:
            x, y, anchor = point.text
            wide = len(point.label) * LETTER
            left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
            boxes.append((left, y - 10, left + wide, y + 2))
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize("most, expected", [(0.78, [0, 0.2, 0.4, 0.6]), (33.7, [0, 10, 20, 30]), (4, [0, 1, 2, 3, 4])])
def test_ticks_are_round(most: float, expected: list[float]) -> None:
    """Some six of them, from 0 on."""
    assert ticks(most) == expected


def test_memory_over_time_is_as_wide_as_the_seconds_and_as_high_as_the_peak(tmp_path: Path) -> None:
    """A block for each phase, side by side."""
    rendering = building.rendering("full", tmp_path)
    steps = timeline(rendering, "allocated")
    assert [step.phase for step in steps] == list(PHASES)
    assert sum(step.width for step in steps) == pytest.approx(400)
    assert steps[2].width > 1.9 * steps[0].width
    assert {step.height for step in steps} == {90}


def test_no_time_and_no_memory_is_no_picture(tmp_path: Path) -> None:
    """Of a case that crashed before it began."""
    rendering = replace(building.rendering("full", tmp_path), memory=None)
    assert timeline(rendering, "allocated") == ()


def test_bars_do_not_touch() -> None:
    """Each has a line of its own."""
    chart = memory_chart([row(str(number), number, 1) for number in range(1, 60)])
    assert chart is not None
    assert chart.bars[0].y == TOP
    assert chart.height > chart.bars[-1].y + 20

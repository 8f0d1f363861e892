"""Tests of the page of history."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from fluxgate.history.page import EDGE, HEIGHT, page
from fluxgate.history.series import all_series
from fluxgate.history.store import sessions
from tests.history.saved import save
from tests.wording import unsaid


def test_each_series_has_a_chart_with_its_changes(tmp_path: Path) -> None:
    """A point for each session, a mark where it changed and one where the stack moved; text is escaped."""
    for number in range(16):
        value = 2.0 if number >= 12 else 1.0
        save(tmp_path, number, value, versions=["1"] * 12 + ["2"], case="tiny-<b>", figure="step, seconds")
    text = page(all_series(sessions(tmp_path), wanted=lambda *_: True))
    (chart,) = (part.partition("</svg>")[0] + "</svg>" for part in text.split("<svg")[1:])
    drawn = ElementTree.fromstring("<svg" + chart)
    assert [len(line.attrib["points"].split()) for line in drawn.findall("polyline")] == [16]
    assert sorted(line.attrib["class"] for line in drawn.findall("line")) == ["moved", "worse"]
    assert "tiny-<b>" not in text
    assert '<b class="worse">worse</b> tiny-&lt;b&gt;, step, seconds: 1 s → 2 s' in text
    assert not unsaid(text, "16 sessions", "1 series", "1 case", "2026-01-01 to 2026-01-16")
    assert "<script" not in text


def test_noise_is_not_drawn_as_if_it_were_much(tmp_path: Path) -> None:
    """A figure that varies by a hundredth takes up a tenth of its chart; one that doubles takes up all of it."""
    for number in range(6):
        save(tmp_path / "noise", number, 1.0 + 0.01 * (number % 2))
        save(tmp_path / "step", number, 1.0 + (number % 2))
    heights = {}
    for name in ("noise", "step"):
        text = page(all_series(sessions(tmp_path / name), wanted=lambda *_: True))
        drawn = ElementTree.fromstring("<svg" + text.partition("<svg")[2].partition("</svg>")[0] + "</svg>")
        (line,) = drawn.findall("polyline")
        ys = [float(point.partition(",")[2]) for point in line.attrib["points"].split()]
        heights[name] = max(ys) - min(ys)
    assert heights["step"] == pytest.approx(HEIGHT - 2 * EDGE, abs=0.2)
    assert heights["noise"] == pytest.approx(0.099 * heights["step"], abs=0.2)


def test_where_nothing_changed_it_says_so(tmp_path: Path) -> None:
    """Instead of an empty list."""
    for number in range(3):
        save(tmp_path, number, 1.0)
    text = page(all_series(sessions(tmp_path), wanted=lambda *_: True))
    assert not unsaid(text, "Nothing changed")
    assert "<ul>" not in text


@pytest.mark.parametrize(
    ("before", "after", "at", "further", "anchor", "high"),
    [(1.0, 2.0, 12, 8, "end", True), (2.0, 1.0, 12, 8, "start", True), (1.0, 2.0, 10, 90, "start", False)],
)
def test_a_mark_has_its_word_where_the_line_is_not(
    tmp_path: Path, before: float, after: float, at: int, further: int, anchor: str, high: bool
) -> None:
    """Above what was lower before, or after; below where there is no room beside it."""
    for number in range(at + further):
        save(tmp_path, number, after if number >= at else before)
    text = page(all_series(sessions(tmp_path), wanted=lambda *_: True))
    drawn = ElementTree.fromstring("<svg" + text.partition("<svg")[2].partition("</svg>")[0] + "</svg>")
    (word,) = drawn.findall("text")
    assert (word.attrib["text-anchor"], float(word.attrib["y"]) < HEIGHT / 2) == (anchor, high)

"""Tests of the page of history."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from fluxgate.history.page import page
from fluxgate.history.series import all_series
from fluxgate.history.store import sessions
from tests.history.saved import save


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
    assert "<b>" not in text
    assert "<script" not in text

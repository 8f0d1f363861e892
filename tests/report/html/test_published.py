"""Tests of where the pictures of a published page are."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.report.gate_folder import read_gate_result
from fluxgate.report.gate_report import report_on_gate
from fluxgate.report.html.published import published_pictures
from fluxgate.report.html.sides import sides_of_gate
from tests.report import gates
from tests.report.html import made


@pytest.mark.parametrize(
    ("page", "beside"),
    [
        ("https://x.example/gate/report.html", "https://x.example/gate/report-pictures/"),
        ("https://x.example/gate/", "https://x.example/gate/index-pictures/"),
        ("https://x.example/gate/report.html?a=b#c", "https://x.example/gate/report-pictures/"),
    ],
)
def test_the_pictures_are_beside_the_page(page: str, beside: str, tmp_path: Path) -> None:
    """Both sides of the first pair that is wrong, under the names that they have there."""
    folder = gates.gate(tmp_path)
    result = read_gate_result(folder)
    shown = published_pictures(report_on_gate(result, folder), sides_of_gate(result, folder), page)
    assert [one.words for one in shown] == ["tiny-offload, shot fox: incumbent", "tiny-offload, shot fox: candidate"]
    made.gate_page(folder, tmp_path / "report.html")
    there = {path.name for path in (tmp_path / "report-pictures").iterdir()}
    assert {one.address.removeprefix(beside) for one in shown} <= there

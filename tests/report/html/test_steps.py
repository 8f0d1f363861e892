"""Tests of the steps that a page shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluxgate.pictures import write_png
from fluxgate.rendering import StepPictures
from fluxgate.report.html.album import album
from fluxgate.report.html.steps import StepTable, step_tables
from fluxgate.runs.rendered import Rendered
from tests.report.html.made import rendered, sides

STEPS = (1, 3, 5)


def with_steps(case: Rendered, *, seed: int, **changes: Any) -> Rendered:
    """The same case, with small pictures of three steps of its first picture."""
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 12 * len(STEPS), 3)).astype(np.uint8)
    write_png(case.folder / "fox-0-steps.png", pixels)
    steps = replace(StepPictures("fox", 0, "fox-0-steps.png", STEPS, 8, 12), **changes)
    return replace(case, rendering=replace(case.rendering, steps=(steps,)))


def tables_of(root: Path, cases: dict[str, Rendered]) -> dict[str, StepTable]:
    both = sides(cases, {"tiny-offload": "tiny-full"}, root)
    tables, prints = step_tables(both, album(both, ()).comparisons)
    assert {row.print for table in tables.values() for row in table.rows} == set(prints)
    return tables


def test_a_case_has_its_steps_below_those_expected(tmp_path: Path) -> None:
    """Each under its name, with the part of the small pictures that each step is."""
    cases = {f"tiny-{name}": with_steps(rendered(tmp_path, name), seed=len(name)) for name in ("full", "offload")}
    found = tables_of(tmp_path, cases)
    assert [row.name for row in found["tiny-offload"].rows] == ["full", "offload"]
    assert found["tiny-offload"].rows[1].boxes == ((1, "0 0 12 8"), (3, "12 0 12 8"), (5, "24 0 12 8"))
    assert (found["tiny-full"].shot, found["tiny-full"].index) == ("fox", 0)
    assert [row.name for row in found["tiny-full"].rows] == ["full"]


def test_steps_that_are_the_same_are_shown_once(tmp_path: Path) -> None:
    """And said to be."""
    cases = {f"tiny-{name}": with_steps(rendered(tmp_path, name), seed=1) for name in ("full", "offload")}
    assert [row.name for row in tables_of(tmp_path, cases)["tiny-offload"].rows] == ["offload, the same as full"]


def test_an_older_run_shows_none(tmp_path: Path) -> None:
    """A case without them has no table; one whose reference has none shows its own."""
    old, new = rendered(tmp_path, "full"), with_steps(rendered(tmp_path, "offload"), seed=1)
    found = tables_of(tmp_path, {"tiny-full": old, "tiny-offload": new})
    assert {case_id: len(table.rows) for case_id, table in found.items()} == {"tiny-offload": 1}


@pytest.mark.parametrize("changes", [{"file": "../fox-0.png"}, {"file": "none.png"}, {"width": 13}])
def test_steps_that_cannot_be_read_are_left_out(tmp_path: Path, changes: dict[str, Any]) -> None:
    """A name that leads elsewhere, a file that is not there, a size that is not the file's."""
    assert tables_of(tmp_path, {"tiny-full": with_steps(rendered(tmp_path, "full"), seed=1, **changes)}) == {}

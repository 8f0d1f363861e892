"""What a page shows of the steps of each case's denoising: of one shot, beside those of what it is held against."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fluxgate.files import is_name
from fluxgate.pictures import read_png
from fluxgate.refusal import Refusal
from fluxgate.rendering import StepPictures
from fluxgate.report.html.album import Comparison
from fluxgate.report.html.pictures import Printed, printed_sheet
from fluxgate.report.html.sides import Sides
from fluxgate.runs.rendered import Rendered


@dataclass(frozen=True)
class StepRow:
    """The steps of one side."""

    name: str  # "full", "the incumbent"; of the case itself, what the page calls that side
    print: str  # the id of its small pictures, side by side
    pictures: StepPictures

    @property
    def boxes(self) -> tuple[tuple[int, str], ...]:
        """Each step, and which part of the small pictures it is."""
        one = self.pictures
        return tuple((step, f"{at * one.width} 0 {one.width} {one.height}") for at, step in enumerate(one.steps))


@dataclass(frozen=True)
class StepTable:
    """The steps of one picture of a case."""

    shot: str
    index: int
    rows: tuple[StepRow, ...]


def step_tables(
    sides: Sides, comparisons: Mapping[str, tuple[Comparison, ...]]
) -> tuple[dict[str, StepTable], dict[str, Printed]]:
    """Of each case that kept any, those of the picture to look at first; and the small pictures by their ids."""
    prints: dict[str, Printed] = {}
    tables = {}
    for case_id, rendered in sides.rendered.items():
        kept = {(each.shot, each.index): each for each in rendered.rendering.steps}
        keys = [key for one in comparisons.get(case_id, ()) if (key := (one.pair.shot, one.pair.index)) in kept]
        if keys:
            rows = tuple(_rows(case_id, sides, keys[0], prints))
            tables[case_id] = StepTable(*keys[0], rows)
    return {case_id: table for case_id, table in tables.items() if table.rows}, prints


def _rows(case_id: str, sides: Sides, key: tuple[str, int], prints: dict[str, Printed]) -> Iterator[StepRow]:
    """Those expected, and those of the case; one row where they are the same."""
    held_against, ours = sides.held_against.get(case_id), sides.rendered[case_id]
    name = ours.rendering.strategy if sides.labels[1] == "actual" else sides.labels[1]
    both = [(held_against.name, held_against.rendered)] if held_against else []
    rows = [row for label, side in (*both, (name, ours)) if (row := _row(label, side, key, prints))]
    if len(rows) == 2 and rows[0].print == rows[1].print:
        yield StepRow(f"{name}, the same as {rows[0].name}", rows[1].print, rows[1].pictures)
    else:
        yield from rows


def _row(name: str, side: Rendered, key: tuple[str, int], prints: dict[str, Printed]) -> StepRow | None:
    pictures = next((each for each in side.rendering.steps if (each.shot, each.index) == key), None)
    if pictures is None or not is_name(pictures.file):
        return None
    try:
        pixels = read_png(side.folder / pictures.file)
    except Refusal:  # they are there to be looked at: nothing is judged by them
        return None
    if pixels.shape[:2] != (pictures.height, pictures.width * len(pictures.steps)):
        return None
    sheet = printed_sheet(f"s-{hashlib.sha256(pixels.tobytes()).hexdigest()[:20]}", pixels)
    prints[sheet.id] = sheet
    return StepRow(name, sheet.id, pictures)

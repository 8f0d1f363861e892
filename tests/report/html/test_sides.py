"""Tests of the two sides of a page."""

from __future__ import annotations

from pathlib import Path

from fluxgate.report.gate_folder import read_gate_result
from fluxgate.report.html.sides import sides_of_gate, sides_of_run
from tests.report import gates
from tests.runs import building


def test_a_case_of_a_run_is_held_against_its_reference(tmp_path: Path) -> None:
    """By the reference's name; one whose reference was not rendered is held against nothing."""
    run = building.run_of(tmp_path, "full", "nf4")
    found = sides_of_run(run, building.CASES.values())
    assert {name: one.name for name, one in found.held_against.items() if name in found.rendered} == {
        "tiny-nf4": "full"
    }
    assert (found.run_id, found.folder, found.bad) == (run.id, run.folder, frozenset())
    alone = sides_of_run(building.run_of(tmp_path, "nf4"), building.CASES.values())
    assert alone.held_against == {}


def test_a_case_of_a_gate_is_held_against_the_incumbents(tmp_path: Path) -> None:
    """Every case, whatever it promises; decisions are about the candidate's run."""
    folder = gates.gate(tmp_path)
    found = sides_of_gate(read_gate_result(folder), folder)
    assert set(found.rendered) == set(found.held_against) == {f"tiny-{n}" for n in ("full", "offload", "nf4", "broken")}
    folders = (found.held_against["tiny-full"].rendered.folder, found.rendered["tiny-full"].folder)
    assert [place.resolve().parents[2].name for place in folders] == ["before", "after"]
    assert found.bad == {"tiny-offload", "tiny-broken"}
    assert found.run_id == folders[1].resolve().parents[1].name

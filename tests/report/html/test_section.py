"""Tests of a case's section."""

from __future__ import annotations

from pathlib import Path

from fluxgate.judge.verdict import CHECKS, PASSED
from fluxgate.report.html.album import album
from fluxgate.report.html.matrix import matrix_of
from fluxgate.report.html.section import Section, section_of
from fluxgate.runs.rendered import Rendered
from tests.report.html.made import rendered, sides
from tests.report.made import of_case, report
from tests.runs import building
from tests.wording import unsaid


def section(name: str, ours: Rendered | None, reference: Rendered | None, *, run: Path) -> Section:
    verdicts = of_case(name, PASSED)
    (line,) = matrix_of(report(verdicts), building.CASES).lines
    case_id = f"tiny-{name}"
    pictures = {} if ours is None else {case_id: ours}
    if reference:
        pictures["tiny-full"] = reference
    both = sides(pictures, {case_id: "tiny-full"} if reference else {}, run)
    found = album(both, verdicts)
    return section_of(
        line,
        building.CASES[case_id],
        verdicts,
        found.comparisons.get(case_id, ()),
        ours=ours,
        held_against=both.held_against.get(case_id),
    )


def test_pictures_are_sorted_into_what_differs_and_what_does_not(tmp_path: Path) -> None:
    """Each is in one of the groups."""
    reference = rendered(tmp_path, "full")
    same = section("offload", rendered(tmp_path, "offload"), reference, run=tmp_path)
    assert (len(same.differing), len(same.identical), len(same.alone)) == (0, 5, 0)
    other = section("nf4", rendered(tmp_path, "nf4", seed=7), reference, run=tmp_path)
    assert (len(other.differing), len(other.identical), len(other.alone)) == (5, 0, 0)
    alone = section("full", reference, None, run=tmp_path)
    assert (len(alone.differing), len(alone.identical), len(alone.alone)) == (0, 0, 5)


def test_a_picture_has_its_prompt(tmp_path: Path) -> None:
    """Of several prompts its own."""
    found = section("full", rendered(tmp_path, "full"), None, run=tmp_path)
    prompts = {(one.pair.shot, one.pair.index): found.prompt(one.pair) for one in found.alone}
    assert prompts == {("fox", 0): "a fox", **{("pair", n): ("a cat", "a dog")[n // 2] for n in range(4)}}


def test_the_heading_of_the_stages_tells_where_it_left(tmp_path: Path) -> None:
    """Or that it never did."""
    reference = rendered(tmp_path, "full")
    assert section("offload", rendered(tmp_path, "offload"), reference, run=tmp_path).stages_title.endswith(
        "the same as full"
    )
    left = section("nf4", rendered(tmp_path, "nf4", seed=7), reference, run=tmp_path).stages_title
    assert not unsaid(left, "fox and pair", "prompt embeddings")


def test_a_case_that_was_not_rendered_has_its_answers(tmp_path: Path) -> None:
    """And the command that renders it."""
    found = section("nf4", None, None, run=tmp_path)
    assert (len(found.answers), found.stages, found.phases) == (len(CHECKS), (), ())
    assert found.command == "pytest --subject tiny --strategy nf4"

"""Tests of a gate's page in a browser: what a team lead sees first, and what is behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.report.gate_result import CaseOutcome, Move, Unasked, Way
from fluxgate.report.html.approvals import approved_cases
from fluxgate.runs.run import open_run
from tests.report import gates
from tests.report.html import made
from tests.report.html.conftest import WIDE, Show
from tests.report.html.test_in_browser import OFFLOAD, names, until, viewer
from tests.report.html.test_page import HOSTILE


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gates.gate(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def file(gate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page") / "report.html"
    made.gate_page(gate, place)
    return place


def test_the_first_screen_answers_the_five_questions(show: Show, file: Path) -> None:
    """At 1280×800, without scrolling: safe or not, what moved, who did it, how much was checked, what next."""
    page = show(file).page
    assert page.locator("h1").inner_text().endswith("Not safe")
    foot = page.locator(".triage").bounding_box()["y"]
    answers = page.locator(".five article")
    assert all(box["y"] + box["height"] <= foot for box in (one.bounding_box() for one in answers.all()))
    moved, who, following, checked = answers.all_inner_texts()
    assert "tiny-offload" in moved
    assert "first at the prompt embeddings" in moved
    assert "transformers 4.49.0 → 4.50.0" in who
    assert "transformers==4.49.0" in who
    assert "--approved approvals.json" in following
    assert "4 of 4 cases, 15 pictures" in checked


def test_its_cases_are_compared_with_the_incumbent(show: Show, file: Path) -> None:
    """In the same viewer, whose sides are named so."""
    page = show(file, anchor=OFFLOAD).page
    until(page, f"document.querySelector('{OFFLOAD} .viewer img.actual')?.naturalWidth > 0")
    assert viewer(page).locator(".badge").all_inner_texts() == ["incumbent", "candidate"]
    assert "incumbent beside candidate" in viewer(page).locator(".caption").inner_text()
    assert viewer(page).locator(".what").inner_text() == "incumbent to candidate"
    page.keyboard.press("z")
    assert viewer(page).locator(".ring").is_visible()


def test_its_cases_are_filtered_and_sorted(show: Show, file: Path) -> None:
    """Those that are not safe come first."""
    page = show(file).page
    assert names(page) == ["offload", "broken", "nf4", "full"]
    page.click("button[data-show=failed]")
    assert names(page) == ["offload", "broken"]
    page.click("button[data-show=changed]")
    assert names(page) == ["offload", "broken", "nf4"]
    page.click("button[data-show=all]")
    page.locator(".matrix th[aria-sort]", has_text="pictures moved").locator("button").click()
    assert names(page)[-1] == "offload"


def test_its_candidate_can_be_approved(show: Show, file: Path, gate: Path, tmp_path: Path) -> None:
    """Decisions are about the candidate's run; what crashed there cannot be approved."""
    page = show(file, anchor=OFFLOAD).page
    page.keyboard.press("a")
    page.keyboard.press("j")
    assert page.locator("button[data-do=approve]").is_disabled()
    with page.expect_download() as download:
        page.click("button[data-do=download]")
    download.value.save_as(tmp_path / "approvals.json")
    candidate = open_run(next((gate.parents[1] / "stacks/after").glob("*")))
    assert approved_cases(tmp_path / "approvals.json", candidate) == {"tiny-offload": ""}


def test_without_javascript_it_is_complete(show: Show, file: Path) -> None:
    """Decision, culprit and pin, outcomes, and pictures side by side."""
    page = show(file, java_script_enabled=False).page
    assert page.locator(".culprit").inner_text() == "transformers 4.49.0 → 4.50.0"
    assert page.locator("button:visible").count() == 0
    assert page.locator(f"{OFFLOAD} .pair").first.locator("svg.picture").count() == 4
    assert page.locator(".outcomes .tag:visible").count() == 4


def test_hostile_text_stays_text(show: Show, tmp_path: Path) -> None:
    """In sentences, package names, versions, reasons and pins; nothing runs, and nothing grows wider."""
    word = " ".join(HOSTILE)[:200_000]
    move = Move(word, word, word)
    culprit = replace(gates.CULPRIT, sentence=word, packages=(move,), pin=(word,), unresolved=(word,))
    plain = gates.full_result("gate", runs={})
    cases = tuple(
        replace(case, outcome=CaseOutcome.CHANGED, reason=word, stage=word, checks=(word,), inventory=(word,))
        for case in plain.cases
    )
    given: dict[str, Any] = {"sentence": word, "contrasts": (word,), "next": word, "command": word, "tier": word}
    folder = gates.gate(tmp_path, culprit=culprit, moves=(move,), cases=cases, incumbent={word: word}, **given)
    text = made.gate_page(folder, tmp_path / "report.html")
    assert len(text) < 2_000_000
    shown = show(tmp_path / "report.html")
    assert shown.complaints == []
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= WIDE[0]
    assert shown.page.locator("script").count() == 2
    assert shown.page.locator("img[onerror], svg[onload]").count() == 0


def test_a_gate_whose_candidate_cannot_be_made_has_a_page(show: Show, tmp_path: Path) -> None:
    """It says at which stage, and shows no case."""
    folder = gates.gate(tmp_path, cases=(), runs={}, culprit=None, failed_stage="resolve", sentence="Not safe: no.")
    made.gate_page(folder, tmp_path / "report.html")
    shown = show(tmp_path / "report.html")
    assert shown.complaints == []
    assert "'resolve'" in shown.page.locator(".who").inner_text()
    assert shown.page.locator(".case").count() == 0


def test_what_nobody_asked_for_is_told_beside_its_versions(show: Show, tmp_path: Path) -> None:
    """With who depends on it; where all was asked for, the table has no such column."""
    unasked = (Unasked("tokenizers", Way.OLDER, "transformers 4.50.0 depends on tokenizers<0.22"),)
    made.gate_page(gates.gate(tmp_path, unasked=unasked), tmp_path / "report.html")
    shown = show(tmp_path / "report.html")
    assert shown.complaints == []
    rows = shown.page.locator("#packages table").first.locator("tbody tr")
    told = {row.locator("th").inner_text(): row.locator("td").last.inner_text() for row in rows.all()}
    assert told["tokenizers"] == "came along, older: transformers 4.50.0 depends on tokenizers<0.22"
    assert told["transformers"] == "yes"
    made.gate_page(gates.gate(tmp_path / "all"), tmp_path / "all.html")
    assert "came along" not in show(tmp_path / "all.html").page.locator("#packages").inner_text()

"""Tests of the page in a browser: what a reader sees, clicks and presses."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.cases import Case
from fluxgate.cli.main import main
from fluxgate.cli.shared import RED
from fluxgate.judge.verdict import PASSED
from fluxgate.report.html.approvals import read_approvals
from fluxgate.report.html.page import page_of
from fluxgate.report.html.pictures import Whole
from fluxgate.report.html.sides import Sides
from fluxgate.runs.run import Run
from tests.baselines.acceptance import accepted_case
from tests.report.html import made
from tests.report.html.conftest import WIDE, Show
from tests.report.made import of_case, report
from tests.runs import building

OFFLOAD = "#case-tiny-offload"


def names(page: Any) -> list[str]:
    """The strategies that the matrix shows, in its order."""
    found: list[str] = page.locator(".matrix tbody tr:not([hidden]) th bdi").all_inner_texts()
    return found


def viewer(page: Any, case: str = OFFLOAD) -> Any:
    return page.locator(f"{case} .viewer")


def until(page: Any, expression: str) -> None:
    """Wait for it; Playwright's own waiting evaluates texts in the page, which the page's policy forbids."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(expression)


def pressed(page: Any, name: str) -> str:
    found: str = page.locator(f"button[data-do={name}]").get_attribute("aria-pressed")
    return found


def test_it_opens_without_a_complaint_and_asks_for_its_own_pictures_only(show: Show, file: Path) -> None:
    """Nothing is written to the console, nothing is blocked, and nothing comes from elsewhere."""
    shown = show(file, anchor=OFFLOAD)
    until(shown.page, f"document.querySelector('{OFFLOAD} .viewer img.actual')?.naturalWidth > 0")
    assert shown.complaints == []
    beside = file.parent.as_uri()
    assert [url for url in shown.requests if not url.startswith(("data:", f"{beside}/report"))] == []


def test_the_first_screen_has_the_five_answers(show: Show, file: Path) -> None:
    """At 1280×800, without scrolling: safe or not, what moved, who did it, what next, how much was checked."""
    page = show(file).page
    assert page.locator("h1").inner_text().endswith("Not safe")
    foot = page.locator(".triage").bounding_box()["y"]
    heads = page.locator(".five h2")
    assert heads.all_inner_texts() == [
        "What moved",
        "Who did it",
        "What to do next",
        "How much was checked",
    ]
    boxes = [page.locator(f".five article:nth-of-type({number})").bounding_box() for number in range(1, 5)]
    assert all(box["y"] + box["height"] <= foot for box in boxes)


def test_filters_leave_the_rows_that_fit(show: Show, file: Path) -> None:
    """Failed, changed and all; the sections of the other cases go, too, and their number is told."""
    page = show(file).page
    assert names(page) == ["full", "offload", "nf4", "broken"]
    page.click("button[data-show=failed]")
    assert names(page) == ["offload", "nf4", "broken"]
    assert not page.locator(".case", has=page.locator("#case-tiny-full")).is_visible()
    assert page.locator("#shown").inner_text() == "3 of 4 shown"
    page.click("button[data-show=changed]")
    assert names(page) == []
    page.click("button[data-show=all]")
    assert len(names(page)) == 4


def test_subjects_and_families_can_be_chosen(show: Show, tmp_path: Path) -> None:
    """Both narrow what the other leaves."""
    cases = [
        Case(replace(building.SUBJECT, name=subject), replace(building.strategy(name), family=family), "cuda")
        for subject in ("tiny", "large")
        for name, family in (("full", "whole"), ("nf4", "quantization"))
    ]
    verdicts = [verdict for case in cases for verdict in of_case(case.strategy.name, PASSED, subject=case.subject.name)]
    (tmp_path / "report.html").write_bytes(page_of(report(verdicts), Sides(), cases, beside="x").text)
    page = show(tmp_path / "report.html").page
    page.select_option("select[data-by=family]", "quantization")
    assert names(page) == ["nf4", "nf4"]
    page.select_option("select[data-by=subject]", "large")
    assert names(page) == ["nf4"]
    assert page.locator("#shown").inner_text() == "1 of 4 shown"


def test_the_matrix_is_sorted_by_a_figure(show: Show, file: Path) -> None:
    """Up, then down; a case without the figure stays last, and the sections follow."""
    page = show(file).page
    head = page.locator(".matrix th[aria-sort]", has_text="likeness")
    head.locator("button").click()
    assert (head.get_attribute("aria-sort"), names(page)[-1]) == ("ascending", "broken")
    rising = names(page)
    head.locator("button").click()
    assert (head.get_attribute("aria-sort"), names(page)[-1]) == ("descending", "broken")
    assert names(page)[:2] == rising[:2][::-1]
    assert page.locator(".case h3 bdi").first.inner_text() == f"tiny-{names(page)[0]}"


def test_a_cell_tells_its_words_on_hover_and_on_focus(show: Show, file: Path) -> None:
    """The check's name, its status and the verdict's first sentence; Escape puts them away."""
    page = show(file).page
    cell = page.locator(".matrix tr[data-case=case-tiny-offload] .cell.failed a").first
    tip = cell.locator(".tip")
    assert not tip.is_visible()
    cell.hover()
    assert "keeps its promise to its reference: failed" in tip.inner_text()
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.mouse.move(0, 0)
    page.locator(".matrix tr[data-case=case-tiny-offload] th a").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert tip.is_visible()


def test_a_link_to_a_case_opens_it(show: Show, file: Path) -> None:
    """Its section opens, and its first pair is ready to be compared."""
    page = show(file, anchor="#case-tiny-nf4").page
    assert viewer(page, "#case-tiny-nf4").is_visible()
    assert page.locator("#case-tiny-nf4").bounding_box()["y"] < 200


def test_the_slider_uncovers_the_expected_picture(show: Show, file: Path) -> None:
    """By the range and by dragging over the picture."""
    page = show(file, anchor=OFFLOAD).page
    style = "getComputedStyle(document.querySelector('#case-tiny-offload .viewer img.actual')).clipPath"
    viewer(page).locator("input[type=range]").fill("30")
    assert "30%" in page.evaluate(style)
    box = viewer(page).locator(".canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 40)
    page.mouse.up()
    assert viewer(page).locator("input[type=range]").input_value() == "75"


def test_onion_flicker_difference_and_map_are_ways_to_compare(show: Show, file: Path) -> None:
    """Each by its button and its number."""
    page = show(file, anchor=OFFLOAD).page
    actual = viewer(page).locator("img.actual")
    page.keyboard.press("2")
    viewer(page).locator("input[type=range]").fill("25")
    assert actual.evaluate("image => getComputedStyle(image).opacity") == "0.25"
    page.keyboard.press("4")
    assert float(viewer(page).locator("input[type=range]").input_value()) == 0  # it is strong enough as it is
    assert actual.evaluate("image => getComputedStyle(image).mixBlendMode") == "difference"
    page.keyboard.press("5")
    assert viewer(page).locator("img.map").evaluate("image => image.naturalWidth") > 0
    page.keyboard.press("3")
    until(page, f"document.querySelector('{OFFLOAD} img.actual').classList.contains('off')")
    assert page.locator("button[data-mode=flicker]").first.get_attribute("aria-pressed") == "true"


def test_flicker_waits_for_a_click_where_motion_is_not_wanted(show: Show, file: Path) -> None:
    """Nothing moves by itself for those who asked for that."""
    page = show(file, anchor=OFFLOAD, reduced_motion="reduce").page
    page.keyboard.press("3")
    page.wait_for_timeout(1700)
    actual = viewer(page).locator("img.actual")
    assert "off" not in (actual.get_attribute("class") or "")
    viewer(page).locator(".stage").click()
    assert "off" in (actual.get_attribute("class") or "")


def test_zoom_stays_sharp_and_jumps_to_the_worst_spot(show: Show, file: Path) -> None:
    """Pixels stay squares, and the ring is in sight."""
    page = show(file, anchor=OFFLOAD).page
    page.keyboard.press("z")
    image = viewer(page).locator("img.actual")
    assert image.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    assert image.bounding_box()["width"] == pytest.approx(16 * 12, abs=1)
    ring, stage = (viewer(page).locator(part).bounding_box() for part in (".ring", ".stage"))
    assert stage["x"] <= ring["x"] <= stage["x"] + stage["width"]
    assert stage["y"] <= ring["y"] <= stage["y"] + stage["height"]


def test_without_the_folder_beside_it_smaller_pictures_are_shown(show: Show, file: Path, tmp_path: Path) -> None:
    """A page that was mailed alone says so, and is still one."""
    alone = Path(shutil.copy(file, tmp_path))
    page = show(alone, anchor=OFFLOAD).page
    until(page, f"document.querySelector('{OFFLOAD} .viewer img.actual')?.naturalWidth > 0")
    assert "not beside this page" in viewer(page).locator(".caption").inner_text()


def test_a_self_contained_page_needs_nothing_beside_it(show: Show, run: Run, tmp_path: Path) -> None:
    """Its pictures are the whole ones."""
    file = tmp_path / "alone.html"
    made.page(run, file, whole=Whole.WITHIN)
    shown = show(file, anchor=OFFLOAD)
    until(shown.page, f"document.querySelector('{OFFLOAD} .viewer img.actual')?.naturalWidth === 16")
    assert [path.name for path in tmp_path.iterdir()] == ["alone.html"]
    assert "not beside" not in viewer(shown.page).locator(".caption").inner_text()


def test_triage_is_done_from_the_keyboard(show: Show, file: Path, run: Run, tmp_path: Path) -> None:
    """Next, approve, note, next, reject: the file that is saved has these decisions, and no other."""
    page = show(file).page
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("a")
    assert pressed(page, "approve") == "true"
    page.keyboard.press("m")
    page.keyboard.type("a redraw")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("r")
    with page.expect_download() as download:
        page.click("button[data-do=download]")
    assert download.value.suggested_filename == "approvals.json"
    download.value.save_as(tmp_path / "approvals.json")
    found = read_approvals(tmp_path / "approvals.json")
    assert found.run == run.id
    assert [(one.case, one.decision, one.note) for one in found.decisions] == [
        ("tiny-offload", "approved", "a redraw"),
        ("tiny-nf4", "rejected", ""),
    ]
    rendering = run.rendered("tiny-offload")
    assert rendering is not None
    assert {one.sha256 for one in found.decisions[0].pictures} == {
        one.sha256 for one in rendering.pictures if one.take == 0
    }


def test_decisions_and_commands_are_copied(show: Show, file: Path, run: Run, tmp_path: Path) -> None:
    """The clipboard has what the file would have, and the command as a shell takes it."""
    page = show(file, anchor=OFFLOAD, permissions=["clipboard-read", "clipboard-write"]).page
    page.keyboard.press("a")
    page.click("button[data-do=clip]")
    until(page, "document.querySelector('button[data-do=clip]').textContent === 'copied'")
    page.click("button[data-do=clip]")  # again, while it still says so
    until(page, "document.querySelector('button[data-do=clip]').textContent === 'copy it'")
    copied = tmp_path / "approvals.json"
    copied.write_text(page.evaluate("navigator.clipboard.readText()"))
    found = read_approvals(copied)
    assert (found.run, [(one.case, one.decision) for one in found.decisions]) == (
        run.id,
        [("tiny-offload", "approved")],
    )
    page.locator(f"{OFFLOAD} button[data-do=copy]").first.click()
    until(page, f"document.querySelector('{OFFLOAD} button[data-do=copy]').textContent === 'copied'")
    assert page.evaluate("navigator.clipboard.readText()") == "pytest --subject tiny --strategy offload"


def test_a_decision_can_be_taken_back_and_is_kept_over_a_reload(show: Show, file: Path) -> None:
    """The same key again takes it back."""
    page = show(file, anchor=OFFLOAD).page
    page.keyboard.press("r")
    page.wait_for_timeout(300)  # Chromium hands on what is stored a little later
    page.reload()
    assert page.locator(".matrix tr[data-case=case-tiny-offload] .decision").inner_text() == "✗ rejected"
    page.keyboard.press("r")
    assert page.locator("#decided").inner_text() == "0 decided"


def test_what_crashed_cannot_be_approved(show: Show, file: Path) -> None:
    """There is no picture to approve."""
    page = show(file, anchor="#case-tiny-broken").page
    page.keyboard.press("a")
    assert page.locator("button[data-do=approve]").is_disabled()
    assert page.locator("#decided").inner_text() == "0 decided"


def test_keys_can_be_switched_off(show: Show, file: Path) -> None:
    """For those whose voice or switch types letters."""
    page = show(file, anchor=OFFLOAD).page
    page.uncheck("#keys")
    page.keyboard.press("a")
    assert page.locator("#decided").inner_text() == "0 decided"


def test_previous_and_next_go_through_what_the_filters_leave(show: Show, file: Path) -> None:
    """k and j, in the order of the matrix."""
    page = show(file).page
    page.click("button[data-show=failed]")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.url.endswith("#case-tiny-nf4")
    assert page.locator("#at").inner_text() == "2 of 3"
    page.keyboard.press("k")
    assert page.url.endswith("#case-tiny-offload")


def test_without_javascript_the_page_is_complete(show: Show, file: Path) -> None:
    """Verdict, matrix, charts and failing cases with their pictures side by side; no button that does nothing."""
    page = show(file, java_script_enabled=False).page
    pair = page.locator(f"{OFFLOAD} .pair").first
    assert pair.locator("svg.picture").count() == 4
    assert all(box["width"] > 50 for box in (one.bounding_box() for one in pair.locator("svg.picture").all()))
    assert page.locator("button:visible").count() == 0
    assert page.locator(".plot").first.is_visible()
    page.locator(".matrix tr[data-case=case-tiny-offload] .cell.failed a").first.hover()
    assert page.locator(".tip:visible").count() == 1


def test_it_is_printed_without_what_only_a_screen_can_do(show: Show, file: Path) -> None:
    """Controls are gone, pictures stay."""
    page = show(file).page
    page.emulate_media(media="print")
    assert not page.locator(".triage").is_visible()
    assert page.locator("button:visible").count() == 0
    assert page.locator(f"{OFFLOAD} .pair svg.picture").first.is_visible()


def test_the_data_block_is_json(file: Path) -> None:
    """The script reads it so."""
    (block,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', file.read_text(), re.DOTALL)
    assert set(json.loads(block)["cases"]) == {f"case-tiny-{name}" for name in ("full", "offload", "nf4")}


def test_a_killed_run_has_a_page(show: Show, tmp_path: Path) -> None:
    """It says how far the run came, and how the rest is rendered; what there is can be looked at."""
    run = made.judge(building.run_of(tmp_path, "full", "nf4", finished=False))
    made.page(run, tmp_path / "report.html")
    shown = show(tmp_path / "report.html")
    assert "2 of 4 cases were rendered" in shown.page.locator(".lead").inner_text()
    assert "Render the 2 cases" in shown.page.locator(".next").inner_text()
    assert "did not finish" in shown.page.locator(".origins").inner_text()
    assert names(shown.page) == ["full", "nf4"]
    assert shown.complaints == []


def test_a_hostile_log_stays_text(show: Show, tmp_path: Path) -> None:
    """Scripts, colours, a changed direction of writing and a line of a million characters."""
    run = made.judged_run(tmp_path)
    log = "\n".join(
        ["x" * 1_000_000, "</pre><script>alert(1)</script>", "\x1b[31mred\x1b[0m", "\u202egnp.exe", "\x00\x07"]
    )
    (run.case_folder("tiny-offload") / "log.txt").write_text(log)
    made.page(run, tmp_path / "report.html")
    shown = show(tmp_path / "report.html", anchor=OFFLOAD)
    told = shown.page.locator(f"{OFFLOAD} details.more pre").text_content()
    assert "</pre><script>alert(1)</script>" in told
    assert not set("\x1b\u202e\x07") & set(told)
    assert shown.page.locator("script").count() == 2
    assert (shown.complaints, shown.page.evaluate("document.documentElement.scrollWidth") <= WIDE[0]) == ([], True)


def test_what_is_approved_from_the_keyboard_becomes_the_baseline(
    show: Show, tmp_path: Path, miniature_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That, with its note, and nothing else: neither what was rejected, nor what nobody decided about."""
    monkeypatch.setenv("FLUXGATE_SUBJECTS", str(made.catalogue(tmp_path / "subjects.toml", pipeline=miniature_folder)))
    run, root = building.run_of(tmp_path / "runs", "full", "model-offload", "nf4"), tmp_path / "baselines"
    assert main(["judge", str(run.folder), f"--baselines={root}"]) == RED
    assert main(["report", str(run.folder), "--format=html", f"--output={tmp_path / 'report.html'}"]) == 0
    page = show(tmp_path / "report.html", anchor="#case-tiny-nf4").page
    page.keyboard.press("r")
    page.keyboard.press("k")
    page.keyboard.press("a")
    page.keyboard.press("m")
    page.keyboard.type("the fox is right")
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.click("button[data-do=download]")
    download.value.save_as(tmp_path / "approvals.json")
    approved = f"--approved={tmp_path / 'approvals.json'}"
    assert main(["accept", str(run.folder), approved, f"--baselines={root}", "--yes"]) == 0
    assert [path.name for path in root.glob("*/tiny/facts/*")] == ["model-offload.json"]
    accepted = accepted_case(root, "model-offload")
    assert accepted.accepted.because == "the fox is right"
    rendering = run.rendered("tiny-model-offload")
    assert rendering is not None
    assert {shot.pictures[0].sha256 for shot in accepted.shots} == {one.sha256 for one in rendering.pictures}
    assert len(list(root.glob("*/tiny/pictures/*"))) == len(accepted.shots)

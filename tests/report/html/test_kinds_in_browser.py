"""Tests in a browser of pages of real runs: published, green, with failures of every kind, killed, and of a gate."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docs.h100_page import FILE as H100
from fluxgate.baselines.baseline import read_case
from fluxgate.baselines.store import Store
from fluxgate.cli.main import main
from fluxgate.judge.verdict import BASELINE, CRASHED, EFFECT, FAILED, GIVES_BACK, PROMISE, WORK
from fluxgate.refusal import USAGE
from fluxgate.report.report import verdicts_of
from fluxgate.runs.run import open_run
from tests.devices import on_a_cpu
from tests.gate.held import folder_of
from tests.report.html import rendered
from tests.report.html.conftest import NARROW, WIDE, Opened, Show
from tests.report.html.test_in_browser import names, until, viewer
from tests.wording import unsaid

# The first waits until runs and a gate are rendered.
pytestmark = [on_a_cpu, pytest.mark.long, pytest.mark.timeout(1800)]

GREEN, FAILURES, KILLED, GATE, PUBLISHED = rendered.GREEN, rendered.FAILURES, rendered.KILLED, "gate", "published"
KINDS = (PUBLISHED, GREEN, FAILURES, KILLED, GATE)
# Each kind in both sizes and both schemes; those that have everything on them in all four.
SIGHTS = [(kind, *sight) for kind in KINDS for sight in ((WIDE, "light"), (NARROW, "dark"))] + [
    (kind, *sight) for kind in (FAILURES, GATE) for sight in ((WIDE, "dark"), (NARROW, "light"))
]
# A case of each kind whose pictures differ from those that they are held against.
APART = {
    PUBLISHED: "miniature-staged-as-published",
    GREEN: "tiny-vae-tiling",
    FAILURES: "tiny-model-offload",
    GATE: "tiny-vae-tiling",
}


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory, real_runs: Path, real_gate: Path) -> dict[str, Path]:
    """A page of each kind; that of a real run on an H100 is the one that the README leads to."""
    root = tmp_path_factory.mktemp("kinds")
    places = {name: rendered.only(real_runs / name) for name in (GREEN, FAILURES, KILLED)}
    places[GATE] = folder_of(real_gate)
    return {PUBLISHED: H100, **{name: rendered.page(what, root / f"{name}.html") for name, what in places.items()}}


def axe_violations(shown: Opened) -> list[tuple[str, str]]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    found = axe.Axe().run(shown.page)
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found.response["violations"]]


@pytest.mark.parametrize(("kind", "size", "scheme"), SIGHTS)
def test_axe_finds_nothing(show: Show, pages: dict[str, Path], kind: str, size: tuple[int, int], scheme: str) -> None:
    """Nor does the console, and nothing is wider than the window, with a case open."""
    shown = show(pages[kind], size=size, color_scheme=scheme, bypass_csp=True)
    shown.page.keyboard.press("j")
    assert axe_violations(shown) == []
    assert shown.complaints == []
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_screen_has_the_answers(show: Show, pages: dict[str, Path], kind: str) -> None:
    """At 1280×800: the verdict, and the head and the first line of each of the other four answers."""
    page = show(pages[kind]).page
    foot = page.locator(".triage").bounding_box()["y"]
    assert page.locator("h1").bounding_box()["y"] < 100
    for answer in page.locator(".five article").all():
        assert answer.bounding_box()["y"] + 80 < foot
        assert len(answer.inner_text()) > 20


@pytest.mark.parametrize("kind", KINDS)
def test_without_javascript_every_case_can_be_read(show: Show, pages: dict[str, Path], kind: str) -> None:
    """No button that does nothing, and the pictures of the cases in the text."""
    page = show(pages[kind], java_script_enabled=False).page
    assert page.locator("button:visible").count() == 0
    assert page.locator(".case").count() >= 1
    assert page.locator(".case svg.picture").count() >= 1


@pytest.mark.parametrize(("kind", "case_id"), APART.items())
def test_two_pictures_are_compared(show: Show, pages: dict[str, Path], kind: str, case_id: str) -> None:
    """By slider and onion skin, and closely at the place that differs most."""
    case = f"#case-{case_id}"
    shown = show(pages[kind], anchor=case)
    actual = viewer(shown.page, case).locator("img.actual")
    until(shown.page, f"document.querySelector('{case} .viewer img.actual')?.naturalWidth > 0")
    viewer(shown.page, case).locator("input[type=range]").fill("30")
    assert "30%" in style_of(actual, "clipPath")
    shown.page.keyboard.press("2")
    viewer(shown.page, case).locator("input[type=range]").fill("50")
    assert (style_of(actual, "opacity"), style_of(actual, "clipPath")) == ("0.5", "none")
    shown.page.keyboard.press("z")
    assert viewer(shown.page, case).locator(".ring").is_visible()
    assert shown.complaints == []


def style_of(place: Any, name: str) -> str:
    found: str = place.evaluate(f"image => getComputedStyle(image).{name}")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_cases_are_filtered_and_sorted(show: Show, pages: dict[str, Path], kind: str) -> None:
    """Those that failed are those that the page says it of; by the last figure they rise, then fall."""
    page = show(pages[kind]).page
    every = names(page)
    page.click("button[data-show=failed]")
    failed = names(page)
    assert {GREEN: 0, KILLED: 0, FAILURES: 5, GATE: 1}.get(kind, len(failed)) == len(failed) < len(every)
    page.click("button[data-show=all]")
    head = page.locator(".matrix th[aria-sort], .outcomes th[aria-sort]").last
    head.locator("button").click()
    rising, direction = names(page), head.get_attribute("aria-sort")
    head.locator("button").click()
    assert (direction, head.get_attribute("aria-sort")) == ("ascending", "descending")
    assert sorted(rising) == sorted(every) == sorted(names(page))


def test_a_published_page_asks_for_nothing(show: Show, pages: dict[str, Path]) -> None:
    """All that it shows is in it."""
    shown = show(pages[PUBLISHED], anchor="#case-miniature-staged-as-published")
    own = ("data:", pages[PUBLISHED].as_uri())
    assert [address for address in shown.requests if not address.startswith(own)] == []
    assert shown.page.locator("#case-miniature-staged-as-published .viewer").is_visible()


# What is on them


def test_a_green_page_says_so(show: Show, pages: dict[str, Path]) -> None:
    """Nothing moved, and nobody did it."""
    page = show(pages[GREEN]).page
    assert not unsaid(page.locator("h1").inner_text(), "Safe", "as far as")
    assert "5 of" in page.locator(".checked .shares").inner_text()
    assert page.locator(".cell.failed, .cell.crashed").count() == 0


def test_each_fault_is_on_the_page(show: Show, pages: dict[str, Path], real_runs: Path) -> None:
    """An effect, pictures, memory, work and a crash: each case with the check that its fault turns."""
    red = {
        (verdict.strategy, verdict.check)
        for verdict in verdicts_of(open_run(rendered.only(real_runs / FAILURES))) or ()
        if verdict.status in (FAILED, CRASHED)
    }
    expected = {
        ("sequential-offload", EFFECT),
        ("model-offload", PROMISE),
        ("model-offload", BASELINE),
        ("group-offload-block", GIVES_BACK),
        ("vae-tiling", WORK),
        ("group-offload-leaf", PROMISE),
    }
    assert expected <= red
    page = show(pages[FAILURES]).page
    assert page.locator("h1").inner_text().endswith("Not safe")
    for strategy, _ in expected:
        assert page.locator(f".matrix tr[data-case=case-tiny-{strategy}] :is(.failed, .crashed)").count() >= 1


def test_a_killed_page_tells_what_is_missing(show: Show, pages: dict[str, Path]) -> None:
    """How far the run came, and how the rest is rendered; the case in whose middle it was killed did not crash."""
    page = show(pages[KILLED]).page
    assert page.locator("h1").inner_text().endswith("Cut short")
    assert "1 of 5 cases was rendered" in page.locator(".lead").inner_text()
    assert "that the run did not reach" in page.locator(".next").inner_text()
    assert names(page)[0] == "full"


def test_a_gate_names_its_culprit(show: Show, pages: dict[str, Path]) -> None:
    """With the pin, and the stage at which the one case first moved."""
    page = show(pages[GATE]).page
    assert page.locator(".culprit").inner_text() == "seeded-a 1.0 → 2.0"
    assert "seeded-a==1.0" in page.locator(".who").inner_text()
    assert "first at the decoded picture" in page.locator("article.moved").inner_text()


# Triage


def go_to(page: Any, strategy: str) -> None:
    """By the key for the next case."""
    for _ in names(page):
        if page.url.endswith(f"#case-tiny-{strategy}"):
            return
        page.keyboard.press("j")
    assert page.url.endswith(f"#case-tiny-{strategy}")


def approve(page: Any, note: str) -> None:
    page.keyboard.press("a")
    page.keyboard.press("m")
    page.keyboard.type(note)
    page.keyboard.press("Escape")


def saved(page: Any, file: Path) -> Path:
    with page.expect_download() as download:
        page.click("button[data-do=download]")
    download.value.save_as(file)
    return file


@pytest.fixture
def accept(
    real_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path], tuple[int, dict[str, str]]]:
    """Accepts what a file approves of the failing run: the exit code, and of each case why it stands as it does."""
    monkeypatch.setenv("FLUXGATE_SUBJECTS", str(real_runs / "subjects.toml"))
    run, root = open_run(rendered.only(real_runs / FAILURES)), tmp_path / "baselines"
    shutil.copytree(real_runs / rendered.BASELINES, root)

    def accepted_by(file: Path) -> tuple[int, dict[str, str]]:
        code = main(["accept", str(run.folder), f"--approved={file}", f"--baselines={root}", "--yes"])
        return code, {name: accepted(root, run.machine.id, name).accepted.because for name in rendered.CLEAN}

    return accepted_by


def test_one_approved_case_of_a_failing_run_becomes_its_baseline(
    show: Show, pages: dict[str, Path], accept: Callable[[Path], tuple[int, dict[str, str]]], tmp_path: Path
) -> None:
    """From the keyboard: next till it is there, approve, note; the others stay as they were accepted."""
    page = show(pages[FAILURES]).page
    go_to(page, "vae-tiling")
    approve(page, "twice is right")
    code, why = accept(saved(page, tmp_path / "approvals.json"))
    assert (code, why.pop("vae-tiling")) == (0, "twice is right")
    assert set(why.values()) == {rendered.WHY}


def test_an_approved_case_that_breaks_its_promise_is_not_accepted(
    show: Show,
    pages: dict[str, Path],
    accept: Callable[[Path], tuple[int, dict[str, str]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nor is anything else that was approved with it: all of it or none."""
    page = show(pages[FAILURES]).page
    for strategy in ("model-offload", "vae-tiling"):
        go_to(page, strategy)
        approve(page, "red is blue now")
    code, why = accept(saved(page, tmp_path / "approvals.json"))
    assert (code, set(why.values())) == (USAGE, {rendered.WHY})
    assert "tiny-model-offload" in capsys.readouterr().err


def test_an_approved_gate_moves_pins_and_baselines(
    show: Show, pages: dict[str, Path], real_gate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the case that moved is approved, and with its reason."""
    monkeypatch.setenv("FLUXGATE_SUBJECTS", str(real_gate / "subjects.toml"))
    page = show(pages[GATE], anchor="#case-tiny-vae-tiling").page
    approve(page, "the tiles are darker")
    file = saved(page, tmp_path / "approvals.json")
    pins, root = tmp_path / "known-good.txt", tmp_path / "baselines"
    pins.write_text("seeded_a==1.0\n")
    given = [f"--approved={file}", f"--baselines={root}", f"--pins={pins}", "--yes"]
    assert main(["accept", str(folder_of(real_gate)), *given]) == 0
    assert pins.read_text() == "seeded_a==2.0\n"
    (facts,) = root.glob("*/tiny/facts/*")
    machine, *_ = facts.relative_to(root).parts
    assert (facts.stem, accepted(root, machine, facts.stem).accepted.because) == ("vae-tiling", "the tiles are darker")


def accepted(root: Path, machine: str, strategy: str) -> Any:
    """What stands for a strategy."""
    found = read_case(Store(root), machine, "tiny", strategy)
    assert found is not None
    return found.case

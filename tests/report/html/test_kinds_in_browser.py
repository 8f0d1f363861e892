"""Tests in a browser of a page of each kind: published, green, with failures of all kinds, killed, of a gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.h100_page import FILE as H100
from tests.report import gates
from tests.report.html import made
from tests.report.html.conftest import NARROW, WIDE, Opened, Show
from tests.runs import building

KINDS = ("published", "green", "failures", "killed", "gate")
# Each kind in both sizes and both schemes; those that have everything on them in all four.
SIGHTS = [(kind, *sight) for kind in KINDS for sight in ((WIDE, "light"), (NARROW, "dark"))] + [
    (kind, *sight) for kind in ("failures", "gate") for sight in ((WIDE, "dark"), (NARROW, "light"))
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, file: Path) -> dict[str, Path]:
    """A page of each kind; that of a real run on an H100 is the one that the README leads to."""
    root = tmp_path_factory.mktemp("kinds")
    green, killed = building.run_of(root / "green", "full"), building.run_of(root / "killed", "full", finished=False)
    for name, run in (("green", green), ("killed", killed)):
        cases = building.CASES if name == "killed" else {"tiny-full": building.CASES["tiny-full"]}
        made.page(made.judge(run, cases), root / f"{name}.html")
    made.gate_page(gates.gate(root / "gate"), root / "gate.html")
    own = {name: root / f"{name}.html" for name in ("green", "killed", "gate")}
    return {"published": H100, "failures": file, **own}


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


def test_a_published_page_asks_for_nothing(show: Show, pages: dict[str, Path]) -> None:
    """All that it shows is in it."""
    shown = show(pages["published"], anchor="#case-miniature-nf4")
    own = ("data:", pages["published"].as_uri())
    assert [address for address in shown.requests if not address.startswith(own)] == []
    assert shown.page.locator("#case-miniature-nf4 .viewer").is_visible()

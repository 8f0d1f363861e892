"""Tests of the pages: links lead somewhere, what they name exists, and they can be built as a site."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from docs.h100_page import FILE as H100
from docs.h100_page import LARGEST, publish
from fluxgate.judge.verdict import CHECKS
from tests.report.html.made import judged_run

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), ROOT / "fluxgate" / "miniature" / "README.md"])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def links(page: Path) -> Iterator[str]:
    """The targets of a page that are no addresses."""
    for target in LINK.findall(CODE.sub("", page.read_text())):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub(lambda found: found[0].strip("`"), page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """To a file of the repository, and to a heading that it has."""
    lost = []
    for target in links(page):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            lost.append(target)
    assert lost == []


def test_what_may_be_imported_is_there() -> None:
    """Each import of docs/api.md works as it stands."""
    lines = re.findall(r"`(from fluxgate[^`]+)`", (DOCS / "api.md").read_text())
    assert len(lines) > 5
    for line in lines:
        exec(line, {})


def test_every_check_has_its_reasons() -> None:
    """In docs/red.md, in the order of the table; pictures for those that are about pictures."""
    page = (DOCS / "red.md").read_text()
    assert re.findall(r"^### (.+)$", page, re.MULTILINE) == list(CHECKS)
    assert set(re.findall(r"\(red-(\w+)\.png\)", page)) == {"twice", "promise", "baseline", "oracle", "scene"}


def test_the_site_leads_to_pages_that_are_there() -> None:
    """Those that it does not lead to are built all the same."""
    named = re.findall(r"([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert len(named) > 10
    assert [name for name in named if not (DOCS / name).is_file()] == []


def test_the_site_can_be_built(tmp_path: Path) -> None:
    """Without a complaint, where mkdocs-material is installed."""
    if find_spec("mkdocs") is None:
        pytest.skip("mkdocs-material is not installed: pip install -r requirements/docs.txt")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tutorial" / "index.html").is_file()
    assert (tmp_path / "h100" / "index.html").read_bytes() == H100.read_bytes()


def test_the_page_of_the_latest_run_on_an_h100_is_published() -> None:
    """The README leads to it, the nightly workflow builds the site that it is part of, and it is small."""
    text = H100.read_text()
    assert H100.relative_to(ROOT).as_posix() in links(ROOT / "README.md")
    assert re.search(r"<bdi>\d{8}-\d{6}-h100-[\w.-]+</bdi>", text)
    assert text.count('<details class="case ') > 10
    assert "/site-packages/" not in text
    assert re.search(r"(?<![\w.:/])/[\w./-]+\.py", text) is None, "a file of the machine that rendered it"
    assert 100_000 < H100.stat().st_size <= LARGEST
    assert 'href="/' not in text
    assert "mkdocs build" in (ROOT / ".github/workflows/nightly.yml").read_text()


def test_the_published_page_tells_no_path_of_a_machine(tmp_path: Path) -> None:
    """Whatever folder a run was rendered into, and however pytest was called there."""
    run = judged_run(tmp_path / "runs")
    publish(run.folder, tmp_path / "index.html")
    text = (tmp_path / "index.html").read_text()
    assert str(tmp_path) not in text
    assert f"runs/{run.id}" in text


def test_the_variables_that_are_told_are_read() -> None:
    """Each of Fluxgate's own that docs/configuration.md names occurs in its code."""
    page = (DOCS / "configuration.md").read_text()
    named = set(re.findall(r"^\| `(FLUXGATE_\w+)`", page, re.MULTILINE))
    code = "".join(path.read_text() for path in (ROOT / "fluxgate").rglob("*.py"))
    assert len(named) > 2
    assert {name for name in named if f'"{name}"' not in code} == set()


def test_nothing_installs_fluxgate_by_its_name_alone() -> None:
    """An index has another project of that name, whose package would take the place of ours."""
    by_name = re.compile(r"pip install [^#\n`]*\bfluxgate(\[|\"|\s|$)")
    places = [ROOT / "README.md", *DOCS.glob("*.md"), *(ROOT / "fluxgate").rglob("*.py")]
    assert [place.name for place in places if by_name.search(place.read_text())] == []

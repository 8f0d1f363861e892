"""A browser for the tests of the page: Playwright's package, and the Chromium that the system has."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fluxgate.runs.run import Run
from tests.once import once
from tests.report.html import made, rendered

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE, NARROW = (1280, 800), (390, 844)


@dataclass
class Opened:
    """A page in the browser, and all that it complained of or asked for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Show = Callable[..., Opened]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with a case of each kind."""
    return made.judged_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def file(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page."""
    place = tmp_path_factory.mktemp("page") / "report.html"
    made.page(run, place)
    return place


@pytest.fixture(scope="session")
def real_runs(browser: Any, tmp_path_factory: pytest.TempPathFactory, miniature_folder: Path) -> Path:
    """Runs that workers have rendered, on a CPU: green, with faults in the libraries, and killed."""
    return once(tmp_path_factory, "real-runs", partial(rendered.render, pipeline=miniature_folder))


@pytest.fixture
def show(browser: Any) -> Iterator[Show]:
    """Opens a page; it must not complain, and not ask for anything but pictures beside it."""
    contexts = []

    def opened(file: Path, *, size: tuple[int, int] = WIDE, anchor: str = "", **settings: Any) -> Opened:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **settings)
        contexts.append(context)
        shown = Opened(context.new_page())
        shown.page.on("console", lambda message: shown.complaints.append(message.text))
        shown.page.on("pageerror", lambda error: shown.complaints.append(str(error)))
        shown.page.on("request", lambda request: shown.requests.append(request.url))
        shown.page.goto(f"{file.as_uri()}{anchor}")
        return shown

    yield opened
    for context in contexts:
        context.close()

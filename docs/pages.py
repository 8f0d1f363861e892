"""Makes the README's two pictures of pages: `python -m docs.pages RUN GATE`, with Playwright and a Chromium.

Each is the folder of a run or a gate, or a page that was written already, like docs/h100/index.html."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from fluxgate.cli.main import main

FOLDER = Path(__file__).parent
SIZE = (1280, 800)  # what a laptop shows without scrolling
LARGEST = 200_000  # bytes of a picture
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def picture_of(what: str, target: Path) -> None:
    """The first screen of a page, or of that of a run or a gate, as WebP."""
    if what.endswith(".html"):
        target.write_bytes(_small(_screen(Path(what))))
        return
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        if main(["report", what, "--format=html", f"--output={page}"]) != 0:
            sys.exit(f"{what} has no page.")
        target.write_bytes(_small(_screen(page)))


def _screen(page: Path) -> bytes:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("No Chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = started.new_context(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light").new_page()
        tab.goto(page.resolve().as_uri())
        tab.wait_for_timeout(500)
        return tab.screenshot()


def _small(screen: bytes) -> bytes:
    """The sharpest that is small enough."""
    image = Image.open(io.BytesIO(screen)).convert("RGB")
    for quality in (90, 80, 70, 60):
        stream = io.BytesIO()
        image.save(stream, format="WEBP", quality=quality, method=6)
        if stream.tell() <= LARGEST:
            return stream.getvalue()
    sys.exit("The picture is too large.")


if __name__ == "__main__":
    run, gate = sys.argv[1:]
    picture_of(run, FOLDER / "page-of-a-run.webp")
    picture_of(gate, FOLDER / "page-of-a-gate.webp")

"""How long a page of many cases takes, and how large it is: `python -m benchmarks.page RUN [CASES]`.

The cases are those of a judged run, over and over under other names; of every other copy the pictures are moved by some
rows, so that they are pictures of its own. With Playwright and a Chromium the page is opened, too."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from fluxgate.cases import Case
from fluxgate.files import write_plain
from fluxgate.judge.verdict import Verdict
from fluxgate.pictures import QUICKLY, hash_of, read_png, write_png
from fluxgate.rendering import RENDERING, Picture
from fluxgate.report.html.page import write_page
from fluxgate.report.html.sides import sides_of_run
from fluxgate.report.report import report_on, verdicts_of
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import cases_of, plan_of
from fluxgate.runs.run import VERDICTS, Run, open_run

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
USE = """() => {
    const began = performance.now();
    document.querySelector("[data-show=failed]").click();
    document.querySelector("[data-show=all]").click();
    [...document.querySelectorAll("[data-sort]")].at(-1).click();
    document.querySelector("[data-do=next]").click();
    document.body.getBoundingClientRect();
    const { domInteractive, domContentLoadedEventEnd } = performance.getEntriesByType("navigation")[0];
    return [domInteractive, domContentLoadedEventEnd, performance.now() - began];
}"""


def enlarged(run: Run, root: Path, cases: int) -> Run:
    """The same run with so many cases, in a folder of its own."""
    shutil.copytree(run.folder, root / run.id, ignore=shutil.ignore_patterns("cases"))
    made = open_run(root / run.id)
    rendered, known = run.renderings(), {case.id: case for case in cases_of(run)}
    verdicts = verdicts_of(run) or ()
    of_case: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        of_case.setdefault(verdict.case_id, []).append(verdict)
    kept: dict[str, Case] = {}
    told: list[Verdict] = []
    for round_ in count():
        for case_id, rendering in rendered.items():
            if len(kept) == cases:
                made.write_json(PLAN, plan_of(kept.values(), asked=set(kept)))
                made.write_json(VERDICTS, tuple(told))
                return made
            strategy = known[case_id].strategy
            name = f"{strategy.name}-{round_}" if round_ else strategy.name
            case = replace(known[case_id], strategy=replace(strategy, name=name))
            kept[case.id] = case
            told += [replace(verdict, strategy=name) for verdict in of_case.get(case_id, ())]
            folder = made.case_folder(case.id)
            shutil.copytree(run.case_folder(case_id), folder)
            rows = round_ if round_ % 2 else 0
            pictures = (
                tuple(_moved(folder, picture, rows) for picture in rendering.pictures) if rows else rendering.pictures
            )
            write_plain(folder / RENDERING, replace(rendering, strategy=name, pictures=pictures))
    raise AssertionError


def _moved(folder: Path, picture: Picture, rows: int) -> Picture:
    file = f"moved-{picture.file}"
    if not (folder / file).exists():
        write_png(folder / file, np.roll(read_png(folder / picture.file), rows, axis=0), effort=QUICKLY)
    return replace(picture, file=file, sha256=hash_of(read_png(folder / file)))


def opened(page: Path) -> str:
    """How soon the page answers, in a browser."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        return "no Chromium is installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        tab = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        devtools = tab.context.new_cdp_session(tab)
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})  # what others do meanwhile does not count
        tab.goto(page.as_uri())
        metrics = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
        interactive, loaded, used = tab.evaluate(USE)
    return (
        f"interactive after {interactive:.0f} ms, its script done after {loaded:.0f} ms; until it was loaded the tab "
        f"worked {1000 * metrics['TaskDuration']:.0f} ms; filter, sort and next: {used:.0f} ms"
    )


def main(folder: Path, cases: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        run = enlarged(open_run(folder), Path(root), cases)
        verdicts, matrix = verdicts_of(run) or (), cases_of(run)
        page = Path(root) / "report.html"
        began, worked = time.perf_counter(), time.process_time()
        write_page(page, report_on(run, verdicts, matrix), sides_of_run(run, matrix), matrix)
        seconds, processor = time.perf_counter() - began, time.process_time() - worked
        pictures = len(list((Path(root) / "report-pictures").iterdir()))
        print(f"{cases} cases, {pictures} different pictures: {page.stat().st_size / 1e6:.1f} MB")
        print(f"written in {seconds:.1f} s, {processor:.1f} s of the processor")
        print(opened(page))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200)

"""Writes the page of the latest run on an H100 that the repository publishes: `python -m docs.h100_page RUN`.

It has small pictures only, and none of the paths of the machine that rendered it."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

from fluxgate.baselines.store import Store
from fluxgate.files import write_whole
from fluxgate.report.html.accepted import accepted_stack
from fluxgate.report.html.page import write_page
from fluxgate.report.html.pictures import Whole
from fluxgate.report.html.sides import sides_of_run
from fluxgate.report.report import Report, report_on, verdicts_of
from fluxgate.runs.plan import cases_of
from fluxgate.runs.run import open_run

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "h100" / "index.html"
LARGEST = 4_000_000  # bytes
COMMAND = "pytest -m gpu"


def publish(folder: Path, file: Path = FILE) -> None:
    """The page of a judged run, as small as it may be in a repository."""
    run = open_run(folder)
    verdicts, cases = verdicts_of(run), cases_of(run)
    if verdicts is None:
        sys.exit(f"{folder} has not been judged: fluxgate judge {folder}")
    accepted = accepted_stack(Store.at(ROOT / "baselines"), run.machine.id, cases)
    told = [replace(one, sentence=without_path(one.sentence, run.id)) for one in verdicts]
    report = without_paths(report_on(run, told, cases))
    write_page(file, report, sides_of_run(run, cases), cases, accepted=accepted, whole=Whole.NOWHERE)
    write_whole(file, without_environment(file.read_text()).encode())
    if file.stat().st_size > LARGEST:
        sys.exit(f"{file} has {file.stat().st_size:,} bytes; {LARGEST:,} is the most that the repository holds.")


def without_path(text: str, run_id: str) -> str:
    """A sentence with the run where a reader's own would lie."""
    return re.sub(rf"[^\s'\"]*/{re.escape(run_id)}/", f"runs/{run_id}/", text)


def without_environment(page: str) -> str:
    """A page whose logs say where in a package a line is, and not where that or Fluxgate lies."""
    return re.sub(r"(?<![\w.:/])/[\w./-]*/(?=(?:site-packages|fluxgate)/)", "", page)


def without_paths(report: Report) -> Report:
    """The same, told as if the run lay where a reader's own would."""
    assert report.run is not None
    return replace(report, run=replace(report.run, folder=f"runs/{report.run.id}", command=COMMAND))


if __name__ == "__main__":
    publish(Path(sys.argv[1]))

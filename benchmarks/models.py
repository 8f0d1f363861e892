"""Every strategy on tiny pipelines of every kind, rendered and judged: `python -m benchmarks.models FOLDER [NAME …]`.

It writes the pipelines, a run, and FOLDER/matrix.json as it goes. `python -m benchmarks.models --into docs/models.md
MATRIX.json …` puts the table of one or several of these into the page; of a cell that several have, the last counts.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fluxgate.files import write_whole
from fluxgate.judge.verdict import (
    CRASHED,
    FAILED,
    KNOWN_FAILURE,
    NO_DATA,
    NOT_SELECTED,
    PASSED,
    PROMISE,
    UNSUPPORTED,
    Verdict,
)
from fluxgate.machine import detect, stack
from fluxgate.session.choice import Request, choose
from fluxgate.session.session import create_run, open_session
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import VARIABLE
from tests.pipelines.catalogued import FORMS, catalogue
from tests.pipelines.matrix import PIPELINES

WORST = (CRASHED, FAILED, KNOWN_FAILURE, NO_DATA, PASSED, UNSUPPORTED)
SIGNS = {
    CRASHED: "crashed",
    FAILED: "**red**",
    KNOWN_FAILURE: "known",
    NO_DATA: "·",
    PASSED: "✓",
    UNSUPPORTED: "–",
    NOT_SELECTED: "?",
}
APPROXIMATES = "≈"  # nobody has measured how near it must come to its reference
BEGIN, END = "<!-- matrix: python -m benchmarks.models -->", "<!-- end of the matrix -->"
TOLD = ("diffusers", "transformers", "accelerate", "bitsandbytes")


@dataclass(frozen=True)
class Cell:
    """What came of one pipeline under one strategy."""

    subject: str
    strategy: str
    status: str
    says: str  # the sentence of the worst check, or the reason why it cannot run
    seconds: float
    promise: str | None = None  # the status of the one check that compares pictures with the reference's


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--into", metavar="PAGE", type=Path, help="render nothing; put the table of MATRIX.json here")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="what is written to; with --into, a MATRIX.json")
    parser.add_argument("names", metavar="NAME", nargs="*", help="the pipelines (default: all); or a MATRIX.json more")
    asked = parser.parse_args(arguments)
    if asked.into is not None:
        return write_page(asked.into, [asked.folder, *map(Path, asked.names)])
    if unknown := [name for name in asked.names if name not in (*PIPELINES, *FORMS)]:
        parser.error(f"there is no pipeline {unknown[0]}; there are {', '.join((*PIPELINES, *FORMS))}")
    return render(asked.folder, asked.names or tuple(PIPELINES))


def render(folder: Path, names: Sequence[str]) -> int:
    os.environ[VARIABLE] = str(catalogue(folder, names))
    cells: list[Cell] = []
    for cell in rendered(folder, names):
        cells.append(cell)
        write_whole(folder / "matrix.json", msgspec.json.format(msgspec.json.encode(cells), indent=1))
        if cell.status in (CRASHED, FAILED):
            print(f"{cell.subject}-{cell.strategy}: {cell.says}", flush=True)
    return int(any(cell.status in (CRASHED, FAILED) for cell in cells))


def rendered(folder: Path, names: Sequence[str]) -> Iterator[Cell]:
    """Every case, each judged by what a strategy promises: nobody has accepted anything of a random pipeline."""
    strategies = tuple(filter(None, os.environ.get("STRATEGIES", "").split(",")))
    choice = choose(Request(subjects=names, strategies=strategies, runs=folder / "runs", no_baseline=True))
    run = create_run(choice, command="benchmarks.models")
    with open_session(choice, run) as session:
        for case in choice.asked:
            started = time.monotonic()
            name = (case.subject.name, case.strategy.name)
            if case.unsupported is not None:
                yield Cell(*name, UNSUPPORTED, case.unsupported, 0.0)
                continue
            verdicts = session.judge(case, session.render(case))
            worst = min((each for each in verdicts if each.status in WORST), key=lambda each: WORST.index(each.status))
            promise = next((each.status for each in verdicts if each.check == PROMISE), None)
            yield Cell(*name, worst.status, words(verdicts, worst), time.monotonic() - started, promise)
            print(f"{'-'.join(name)}: {worst.status}", flush=True)


def words(verdicts: Sequence[Verdict], worst: Verdict) -> str:
    return "; ".join(verdict.sentence for verdict in verdicts if verdict.status == worst.status)


def write_page(page: Path, files: Sequence[Path]) -> int:
    """Put the table between the page's two marks."""
    cells = {
        (cell.subject, cell.strategy): cell
        for file in files
        for cell in msgspec.json.decode(file.read_bytes(), type=list[Cell])
    }
    before, _, rest = page.read_text().partition(BEGIN)
    write_whole(page, f"{before}{BEGIN}\n\n{table(tuple(cells.values()))}\n{END}{rest.partition(END)[2]}".encode())
    return 0


def table(cells: Sequence[Cell]) -> str:
    """Strategies down, pipelines across, and under it why there is no mark."""
    by_name = {(cell.subject, cell.strategy): cell for cell in cells}
    subjects = [name for name in (*PIPELINES, *FORMS) if any(cell.subject == name for cell in cells)]
    strategies = [each.name for each in STRATEGIES if any(cell.strategy == each.name for cell in cells)]
    nowhere = {name: says for name in strategies if (says := why_nowhere(cells, name))}
    notes: dict[str, int] = {}
    lines = ["| strategy | " + " | ".join(subjects) + " |", "| --- |" + " --- |" * len(subjects)]
    for strategy in [name for name in strategies if name not in nowhere]:
        cells_of = (by_name.get((subject, strategy)) for subject in subjects)
        row = (marked(cell, notes) if cell else "" for cell in cells_of)  # empty: it was not rendered
        lines.append(f"| `{strategy}` | " + " | ".join(row) + " |")
    lines += ["", *(f"{number}. {says}" for says, number in notes.items()), "", *told(nowhere)]
    versions = ", ".join(f"{package} {stack()[package]}" for package in TOLD)
    return "\n".join([f"With {versions}, on a {detect().device.upper()}.", "", *lines]) + "\n"


def why_nowhere(cells: Sequence[Cell], strategy: str) -> str | None:
    """The reason why a strategy runs with no pipeline here, if it is one for all."""
    reasons = {said(cell) for cell in cells if cell.strategy == strategy}
    statuses = {cell.status for cell in cells if cell.strategy == strategy}
    return reasons.pop() if statuses == {UNSUPPORTED} and len(reasons) == 1 else None


def told(nowhere: dict[str, str]) -> Iterator[str]:
    """The strategies that run with no pipeline here, by their reasons."""
    for reason in dict.fromkeys(nowhere.values()):
        names = ", ".join(f"`{name}`" for name, says in nowhere.items() if says == reason)
        yield f"- {reason}: {names}"


def reproduces_full(name: str) -> bool:
    """Whether a strategy needs no floor: it is the reference, or reproduces it."""
    promise = next(each.promise for each in STRATEGIES if each.name == name)
    return promise.reference is None or promise.reproduces == "full"


def said(cell: Cell) -> str:
    """A sentence that is the same for all pipelines that it is true of."""
    first = cell.says.partition("\n")[0].partition("; ")[0] if cell.status != UNSUPPORTED else cell.says
    kind = PIPELINES[FORMS.get(cell.subject, cell.subject)][0]
    return first.replace(f"a {kind}", "another").replace(kind, "the pipeline").replace(cell.subject, "it")


def marked(cell: Cell, notes: dict[str, int]) -> str:
    """The sign of a cell, with the number of the sentence that explains it."""
    if cell.status in (PASSED, NO_DATA):
        return SIGNS[PASSED] if cell.promise == PASSED or reproduces_full(cell.strategy) else APPROXIMATES
    says = said(cell)
    return f"{SIGNS[cell.status]} {notes.setdefault(says, len(notes) + 1)}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

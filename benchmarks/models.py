"""Every strategy on tiny pipelines of every kind, rendered and judged: `python -m benchmarks.models FOLDER [NAME …]`.

It writes the pipelines, a run, and the table that docs/models.md has, as FOLDER/matrix.md and FOLDER/matrix.json."""

from __future__ import annotations

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
from fluxgate.machine import stack
from fluxgate.session import Request, choose, create_run, open_session
from fluxgate.subjects.catalogue import VARIABLE
from tests.pipelines.catalogued import catalogue
from tests.pipelines.made import PIPELINES

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


def main(folder: Path, names: Sequence[str]) -> int:
    os.environ[VARIABLE] = str(catalogue(folder, names))
    cells: list[Cell] = []
    for cell in rendered(folder, names):
        cells.append(cell)
        write_whole(folder / "matrix.json", msgspec.json.format(msgspec.json.encode(cells), indent=1))
        if cell.status in (CRASHED, FAILED):
            print(f"{cell.subject}-{cell.strategy}: {cell.says}", flush=True)
    write_whole(folder / "matrix.md", table(cells).encode())
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


def table(cells: Sequence[Cell]) -> str:
    """Strategies down, pipelines across, and under it why there is no mark."""
    subjects = list(dict.fromkeys(cell.subject for cell in cells))
    by_name = {(cell.subject, cell.strategy): cell for cell in cells}
    lines = [
        f"With {', '.join(f'{package} {stack()[package]}' for package in TOLD)}.",
        "",
        "| strategy | " + " | ".join(subjects) + " |",
        "| --- |" + " --- |" * len(subjects),
    ]
    notes: dict[str, int] = {}
    for strategy in dict.fromkeys(cell.strategy for cell in cells):
        row = (marked(by_name[subject, strategy], notes) for subject in subjects)
        lines.append(f"| `{strategy}` | " + " | ".join(row) + " |")
    return "\n".join([*lines, "", *(f"{number}. {says}" for says, number in notes.items())]) + "\n"


def marked(cell: Cell, notes: dict[str, int]) -> str:
    """The sign of a cell, with the number of the sentence that explains it."""
    if cell.status in (PASSED, NO_DATA):
        return SIGNS[PASSED] if cell.promise != NO_DATA else APPROXIMATES
    says = cell.says.replace(cell.subject, "it")
    return f"{SIGNS[cell.status]} {notes.setdefault(says, len(notes) + 1)}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:] or tuple(PIPELINES)))

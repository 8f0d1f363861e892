"""Illustration: the one place that draws the pictures that verdicts name, into the run's folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from fluxgate.compare.strips import columns, side_by_side
from fluxgate.judge.picture_failures import FOLDER
from fluxgate.judge.verdict import Verdict
from fluxgate.pictures import read_png, write_png
from fluxgate.refusal import Refusal


def illustrate(verdicts: Iterable[Verdict], run: Path) -> tuple[Verdict, ...]:
    """The verdicts with every difference drawn, and every picture that lies outside the run copied into it."""
    return tuple(_illustrated(verdict, run) if "difference" in verdict.pictures else verdict for verdict in verdicts)


def _illustrated(verdict: Verdict, run: Path) -> Verdict:
    pictures = dict(verdict.pictures)
    target = pictures["difference"]
    try:
        expected, actual = (read_png(_place(pictures[name], run)) for name in ("expected", "actual"))
    except Refusal:  # the sentence says so already
        return replace(verdict, pictures={name: path for name, path in pictures.items() if name != "difference"})
    write_png(run / target, side_by_side([columns(expected, actual)]))
    if not _lies_within(pictures["expected"], run):
        pictures["expected"] = f"{FOLDER}/{Path(target).stem.removesuffix('-difference')}-expected.png"
        write_png(run / pictures["expected"], expected)
    return replace(verdict, pictures=pictures)


def _place(path: str, run: Path) -> Path:
    return run / path if _lies_within(path, run) else Path(path)


def _lies_within(path: str, run: Path) -> bool:
    return not Path(path).is_absolute() and (run / path).is_file()

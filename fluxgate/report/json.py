"""The report as JSON, for programs: every verdict with its evidence, and each case's figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from fluxgate.cases import Case
from fluxgate.judge.verdict import Verdict
from fluxgate.machine import Machine, Stack
from fluxgate.rendering import Rendering
from fluxgate.report.report import NO_CARDS, NO_CASES, Row, counts, rows

SCHEMA = 1


@dataclass(frozen=True)
class Report:
    """One run's report."""

    run: str
    machine: Machine
    stack: Stack
    counts: dict[str, int]
    cases: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]
    vram_limit: int | None = None  # bytes of each GPU that every case was held to
    schema: int = SCHEMA


def report(
    verdicts: Iterable[Verdict],
    renderings: Mapping[str, Rendering],
    *,
    run: str,
    machine: Machine,
    stack: Stack,
    cases: Mapping[str, Case] = NO_CASES,
    cards: Mapping[str, int] = NO_CARDS,
    vram_limit: int | None = None,
) -> Report:
    """The whole report as one value."""
    verdicts = tuple(verdicts)
    found = tuple(rows(verdicts, renderings, cases=cases, cards=cards))
    return Report(run, machine, stack, counts(verdicts), found, verdicts, vram_limit)


def as_json(found: Report) -> bytes:
    """The report as JSON that a person can read; a number that is not finite becomes null."""
    return msgspec.json.format(msgspec.json.encode(found, order="sorted"), indent=2) + b"\n"

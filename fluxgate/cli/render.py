"""`fluxgate render`: a new run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from fluxgate.cases import Case
from fluxgate.cli.shared import (
    NOTHING,
    RED,
    add_choosing_options,
    case_timeout,
    chosen_strategies,
    every_case,
    new_run,
    say,
    supported,
)
from fluxgate.machine import detect, memory_limit
from fluxgate.options import whole_number
from fluxgate.render.pool.workers import Workers
from fluxgate.runs import run as runs
from fluxgate.session import Workshop
from fluxgate.subjects.sources import locate


def add_options(parser: ArgumentParser) -> None:
    add_choosing_options(parser)
    parser.add_argument("--takes", metavar="N", help="default: twice on a GPU; on a CPU the first shot twice")
    vram = "the most memory of each GPU, for every case, like 12GB; default: all of it"
    parser.add_argument("--vram-limit", metavar="AMOUNT", help=vram)


def act(arguments: Namespace) -> int:
    """Render cases into a new run, without judging them."""
    timeout, cases = case_timeout(arguments), every_case(arguments)
    takes = whole_number(arguments.takes, option="--takes", most=100) if arguments.takes else None
    limit = _vram_limit(arguments)
    wanted = supported(cases, chosen_strategies(arguments))
    if not wanted:
        return NOTHING
    folders = {case.subject.name: locate(case.subject) for case in wanted}
    run = new_run(arguments, vram_limit=limit)
    with Workers(takes=takes, vram_limit=limit) as workers:
        workshop = Workshop(run, workers, cases, locate=lambda s: folders[s.name], timeout=timeout, report=say)
        found = [workshop.rendering(case_id) for case_id in _with_references(wanted)]
    runs.finish(run)
    say(f"The run is in {run.folder}")
    return RED if any(rendering.crash for rendering in found if rendering is not None) else 0


def _vram_limit(arguments: Namespace) -> int | None:
    text = arguments.vram_limit
    return None if text is None else memory_limit(text, of=detect(), option="--vram-limit")


def _with_references(wanted: Sequence[Case]) -> list[str]:
    """The ids of the cases, each after those that it will be compared with."""
    pairs = [
        (case.subject.name, name)
        for case in wanted
        for name in (*case.strategy.promise.compared_with, case.strategy.name)
    ]
    return [f"{subject}-{strategy}" for subject, strategy in dict.fromkeys(pairs)]

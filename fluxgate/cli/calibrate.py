"""`fluxgate calibrate`: limits out of repeated measurement."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Collection
from functools import partial
from pathlib import Path

from fluxgate.calibration import drifting, portability
from fluxgate.calibration.calibrate import calibrate
from fluxgate.calibration.variations import Extent
from fluxgate.cases import Case
from fluxgate.cli.shared import NOTHING, add_choosing_options, command, request_of, say, say_unsupported
from fluxgate.machine import detect, stack
from fluxgate.options import chosen, whole_number
from fluxgate.refusal import Refusal
from fluxgate.render.pool.workers import SPAWN, Workers
from fluxgate.rendering import Rendering
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from fluxgate.session import Choice, choose, create_run
from fluxgate.subjects.sources import locate


def add_options(parser: ArgumentParser) -> None:
    add_choosing_options(parser)
    extent = Extent()
    parser.add_argument("--pictures", default=f"{extent.pictures}", metavar="N", help="default: %(default)s")
    parser.add_argument("--controls", default=f"{extent.controls}", metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--portability", action="store_true", help="instead: what a CPU's instructions and threads do to the pictures"
    )
    parser.add_argument(
        "--between", nargs="+", type=Path, metavar="RUN", help="instead: how far runs of machines or releases lie apart"
    )


def act(arguments: Namespace) -> int:
    """Measure how alike pictures are that should be, and which controls they can be told from."""
    if arguments.between:
        given = [runs.open_run(path) for path in arguments.between]
        run = runs.create(arguments.runs, detect(), stack(), command())
        return _kept_limits(run, drifting.between(run, given, report=say))
    return _portability(arguments) if arguments.portability else _likenesses(arguments)


def _likenesses(arguments: Namespace) -> int:
    extent = Extent(
        pictures=whole_number(arguments.pictures, option="--pictures", most=10_000),
        controls=whole_number(arguments.controls, option="--controls", most=1_000),
    )
    choice = choose(request_of(arguments))
    references = {name for case in choice.asked for name in case.strategy.promise.compared_with}
    asked = _renderable(choice, {*choice.strategies, *references})
    if not asked:
        return NOTHING
    run = create_run(choice, command=command())
    with Workers(takes=1) as workers:
        found = calibrate(run, asked, extent, render=partial(_draw, workers, choice.timeout), report=say)
    return _kept_limits(run, found)


def _renderable(choice: Choice, strategies: Collection[str]) -> list[Case]:
    """The cases under these strategies that can run here; of the others the reason is said."""
    wanted = [case for case in choice.cases if case.strategy.name in strategies]
    say_unsupported(wanted)
    return [case for case in wanted if case.unsupported is None]


def _portability(arguments: Namespace) -> int:
    choice = choose(request_of(arguments))
    if choice.machine.device != "cpu":
        raise Refusal("--portability is about a CPU's instructions and threads; this machine renders on a GPU.")
    wanted = chosen(arguments.strategy or portability.STRATEGIES, among=portability.STRATEGIES, option="--strategy")
    asked = _renderable(choice, wanted)
    run = create_run(choice, command=command())
    with Workers(takes=1, start=SPAWN) as workers:
        render = partial(_draw, workers, choice.timeout)
        rows = [
            row
            for name in dict.fromkeys(case.subject.name for case in asked)
            for row in portability.portability(
                run, [case for case in asked if case.subject.name == name], render=render, report=say
            )
        ]
    return _kept_limits(run, rows)


def _kept_limits(run: Run, found: Collection[object]) -> int:
    runs.finish(run)
    if not found:
        say(f"No limits were found. The run is in {run.folder}")
        return NOTHING
    say(f"The limits are in {run.folder}; fluxgate accept {run.folder} --because REASON keeps them")
    return 0


def _draw(workers: Workers, timeout: float, case: Case, folder: Path) -> Rendering:
    return workers.render(case, folder, source=locate(case.subject), timeout=timeout, report=say)

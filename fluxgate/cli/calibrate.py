"""`fluxgate calibrate`: measure how alike pictures must be."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Collection
from functools import partial
from pathlib import Path

from fluxgate.calibration import drifting, portability
from fluxgate.calibration.calibrate import calibrate
from fluxgate.calibration.drifting import Side
from fluxgate.calibration.variations import Extent
from fluxgate.cases import Case
from fluxgate.cli.finding import find_run
from fluxgate.cli.shared import NOTHING, add_choosing_options, command, request_of, say, say_unsupported
from fluxgate.machine import stack
from fluxgate.options import chosen, whole_number
from fluxgate.refusal import Refusal
from fluxgate.render.pool.workers import SPAWN, Workers
from fluxgate.rendering import Rendering
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from fluxgate.session.choice import Choice, choose
from fluxgate.session.session import create_run
from fluxgate.subjects.sources import locate


def add_options(parser: ArgumentParser) -> None:
    add_choosing_options(parser)
    extent = Extent()
    parser.add_argument(
        "--pictures",
        default=f"{extent.pictures}",
        metavar="N",
        help="how many pictures of each strategy are measured (default: %(default)s)",
    )
    parser.add_argument(
        "--controls",
        default=f"{extent.controls}",
        metavar="N",
        help="how many shots each control is made of (default: %(default)s)",
    )
    parser.add_argument(
        "--portability",
        action="store_true",
        help="instead: measure what a CPU's instructions and threads do to the pictures",
    )
    parser.add_argument(
        "--between",
        nargs="+",
        metavar="NAME",
        help="instead: measure how far apart several machines or releases are; each is a run, or the folder of what was"
        " accepted for a machine, and the limits are for the machine of the first",
    )


def act(arguments: Namespace) -> int:
    """Measure how alike pictures are that should be alike, and which controls the limits reject."""
    if arguments.between:
        sides = [_side(name, runs_folder=arguments.runs) for name in arguments.between]
        run = runs.create(arguments.runs, sides[0].machine, stack(), command())
        return _finish(run, drifting.between(run, sides, report=say))
    return _portability(arguments) if arguments.portability else _likeness(arguments)


def _side(name: str, *, runs_folder: Path) -> Side:
    """A run, or what was accepted for a machine, whose folder has that machine's id for a name."""
    folder = Path(name)
    if folder.is_dir() and not (folder / runs.FACTS).exists():
        accepted = drifting.of_accepted(folder)
        if accepted.cases:
            return accepted
    return drifting.of_run(find_run(name, runs_folder=runs_folder))


def _likeness(arguments: Namespace) -> int:
    extent = Extent(
        pictures=whole_number(arguments.pictures, option="--pictures", most=10_000),
        controls=whole_number(arguments.controls, option="--controls", most=1_000),
    )
    choice = choose(request_of(arguments))
    references = {name for case in choice.asked for name in case.strategy.promise.compared_with}
    cases = _renderable(choice, {*choice.strategies, *references})
    if not cases:
        return NOTHING
    run = create_run(choice, command=command())
    with Workers(takes=1) as workers:
        findings = calibrate(run, cases, extent, render=partial(_render, workers, choice.timeout), report=say)
    return _finish(run, findings)


def _renderable(choice: Choice, strategies: Collection[str]) -> list[Case]:
    """The cases under these strategies that can run here; of the others the reason is said."""
    wanted = [case for case in choice.cases if case.strategy.name in strategies]
    say_unsupported(wanted)
    return [case for case in wanted if case.unsupported is None]


def _portability(arguments: Namespace) -> int:
    choice = choose(request_of(arguments))
    if choice.machine.device != "cpu":
        raise Refusal("--portability is about a CPU's instructions and threads; this machine renders on a GPU.")
    names = chosen(arguments.strategy or portability.STRATEGIES, among=portability.STRATEGIES, option="--strategy")
    cases = _renderable(choice, names)
    run = create_run(choice, command=command())
    with Workers(takes=1, start=SPAWN) as workers:
        render = partial(_render, workers, choice.timeout)
        rows = [
            row
            for name in dict.fromkeys(case.subject.name for case in cases)
            for row in portability.portability(
                run, [case for case in cases if case.subject.name == name], render=render, report=say
            )
        ]
    return _finish(run, rows)


def _finish(run: Run, limits: Collection[object]) -> int:
    """Say what to do with the limits, or that there are none."""
    runs.finish(run)
    if not limits:
        say(f"No limits were measured. The run is in {run.folder}")
        return NOTHING
    say(f"The limits are in {run.folder}. They hold once they are accepted: fluxgate accept {run.folder}")
    return 0


def _render(workers: Workers, timeout: float, case: Case, folder: Path) -> Rendering:
    return workers.render(case, folder, source=locate(case.subject), timeout=timeout, report=say)

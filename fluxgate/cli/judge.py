"""`fluxgate judge`: the verdicts on a run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from fluxgate.cli.report import in_the_terminal
from fluxgate.cli.shared import NOTHING, RED, add_run_option, add_store_option, say, subjects_of
from fluxgate.history import earlier_runs as history
from fluxgate.judge import standards as kept
from fluxgate.judge.run import judge_run
from fluxgate.report.report import measured_anything, red
from fluxgate.runs import run as runs
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import subjects


def add_options(parser: ArgumentParser) -> None:
    add_run_option(parser)
    add_store_option(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--require-baseline", action="store_true", help="fail where its machine has no baseline")
    which.add_argument("--no-baseline", action="store_true", help="ask for the promises within the run alone")


def act(arguments: Namespace) -> int:
    """Judge a run, on any machine, and leave the verdicts in it."""
    run, catalogue = runs.open_run(arguments.run), subjects()
    standards = kept.standards(
        run.machine,
        run.stack,
        store=arguments.baselines,
        known=kept.known(arguments.baselines, subjects=catalogue),
        require_baseline=arguments.require_baseline,
        no_baseline=arguments.no_baseline,
        earlier=history.earlier(run.folder.parent, run.machine.id, than=run.id, vram_limit=run.vram_limit),
    )
    asked = subjects_of(run, catalogue)
    verdicts = judge_run(run, subjects=asked, strategies=STRATEGIES, standards=standards)
    run.keep(runs.VERDICTS, verdicts)
    say(in_the_terminal(run, verdicts))
    if red(verdicts):
        return RED
    return 0 if measured_anything(verdicts) else NOTHING

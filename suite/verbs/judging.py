"""`python -m suite judge`: the verdicts on a run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from suite import kept
from suite.judge.run import judge_run
from suite.report.summary import measured_anything, red
from suite.store import history, runs
from suite.strategies import STRATEGIES
from suite.subjects.catalogue import subjects
from suite.verbs.reporting import in_the_terminal
from suite.verbs.shared import NOTHING, RED, add_run_option, add_store_option, say, subjects_of


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

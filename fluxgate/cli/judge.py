"""`fluxgate judge`: judge a run, on any machine."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from fluxgate.cli.finding import add_run_option, find_run
from fluxgate.cli.report import for_terminal
from fluxgate.cli.shared import INTERRUPTED, NOTHING, RED, add_baselines_option, say, say_report
from fluxgate.files import is_forbidden
from fluxgate.judge.verdict import Verdict
from fluxgate.report.report import report_on
from fluxgate.runs import run as runs
from fluxgate.runs.plan import cases_of
from fluxgate.runs.run import Run
from fluxgate.session.choice import baseline_use
from fluxgate.session.judging import complaints_beside, judge_run


def add_options(parser: ArgumentParser) -> None:
    add_run_option(parser)
    add_judging_options(parser)


def add_judging_options(parser: ArgumentParser) -> None:
    """What a run is held to."""
    add_baselines_option(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--require-baseline", action="store_true", help="fail if the machine has no baseline")
    which.add_argument("--no-baseline", action="store_true", help="check only the promises within the run")


def act(arguments: Namespace) -> int:
    """Judge a run and write the verdicts into it. This needs neither a GPU nor torch."""
    return judge_as_asked(find_run(arguments.run, runs_folder=arguments.runs), arguments)


def _leave(run: Run, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Write the verdicts into a run; a run that must not be written, as one of an archive, is judged all the same."""
    try:
        run.write_json(runs.VERDICTS, verdicts)
    except OSError as error:
        if not is_forbidden(error):
            raise
        return (f"The verdicts are not left in {run.folder}, which cannot be written: {error.strerror}.",)
    return ()


def judge_as_asked(run: Run, arguments: Namespace) -> int:
    """Leave the verdicts in a run, tell them, and give the exit code that they are."""
    baselines = arguments.baselines
    use = baseline_use(required=arguments.require_baseline, ignored=arguments.no_baseline)
    verdicts = judge_run(run, baselines=baselines, baseline_use=use)
    unwritten = _leave(run, verdicts)
    report = report_on(run, verdicts, cases_of(run))
    say_report(for_terminal(report))
    complaints = complaints_beside(run, baselines=baselines)
    for sentence in (*unwritten, *complaints):
        say(sentence)
    if report.failures or complaints:
        return RED
    if report.cut_short:
        return INTERRUPTED
    return 0 if report.measured else NOTHING

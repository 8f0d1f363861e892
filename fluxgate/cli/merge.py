"""`fluxgate merge`: join the runs that --shard made, and judge the whole."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from fluxgate.cli.finding import find_run
from fluxgate.cli.judge import add_judging_options, judge_as_asked
from fluxgate.cli.shared import add_runs_option, command, say
from fluxgate.runs.merging import merge, missing_shards


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("run", nargs="+", metavar="RUN", help="the folders or the ids of two or more runs")
    add_runs_option(parser)
    add_judging_options(parser)


def act(arguments: Namespace) -> int:
    """Join runs of one kind of machine and one stack into one run, and judge it."""
    parts = [find_run(name, runs_folder=arguments.runs) for name in arguments.run]
    merged = merge(parts, arguments.runs, command=command())
    missing = missing_shards(parts)
    if missing:
        say(f"Missing: {', '.join(f'shard {number}' for number in missing)}.")
    return judge_as_asked(merged, arguments)

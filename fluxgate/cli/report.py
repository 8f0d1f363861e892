"""`fluxgate report`: a judged run, shown again."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from fluxgate.cli.shared import add_run_option, columns, say
from fluxgate.files import write_whole
from fluxgate.refusal import Refusal
from fluxgate.report.json import as_json
from fluxgate.report.markdown import markdown
from fluxgate.report.report import Report, report_on, verdicts_of
from fluxgate.report.terminal import terminal
from fluxgate.runs import run as runs
from fluxgate.runs.plan import cases_of


def for_terminal(report: Report) -> str:
    """The report as this terminal can show it."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return terminal(report, width=columns(), unicode=unicode)


def _for_programs(report: Report) -> str:
    return as_json(report).decode()


FORMATS: dict[str, Callable[[Report], str]] = {
    "terminal": for_terminal,
    "markdown": markdown,
    "json": _for_programs,
}


def add_options(parser: ArgumentParser) -> None:
    add_run_option(parser)
    parser.add_argument("--format", choices=tuple(FORMATS), default="terminal", help="default: %(default)s")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")


def act(arguments: Namespace) -> int:
    """Show a run that has been judged: in the terminal, as Markdown or as JSON. Exits 0 whatever the verdicts are."""
    run = runs.open_run(arguments.run)
    verdicts = verdicts_of(run)
    if verdicts is None:
        raise Refusal(f"{run.folder} has not been judged; run fluxgate judge {run.folder}.")
    report = report_on(run, verdicts, cases_of(run))
    text = FORMATS[arguments.format](report).rstrip("\n")
    if arguments.output is None:
        say(text)
    else:
        write_whole(arguments.output, text.encode() + b"\n")
    return 0

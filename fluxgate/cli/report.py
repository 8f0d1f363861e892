"""`fluxgate report`: a judged run, shown again."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from fluxgate.baselines.store import Store
from fluxgate.cli.shared import add_baselines_option, add_run_option, columns, say
from fluxgate.files import write_whole
from fluxgate.refusal import Refusal
from fluxgate.report.html.accepted import accepted_stack
from fluxgate.report.html.page import write_page
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


HTML = "html"  # a page, which is written into a file with pictures beside it


def add_options(parser: ArgumentParser) -> None:
    add_run_option(parser)
    add_baselines_option(parser)
    parser.add_argument("--format", choices=(*FORMATS, HTML), default="terminal", help="default: %(default)s")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output; a page needs one")
    parser.add_argument("--self-contained", action="store_true", help="put whole pictures into the page, not beside it")


def _refuse_odd_options(arguments: Namespace) -> None:
    if arguments.format == HTML and arguments.output is None:
        raise Refusal("A page is written into a file: add --output FILE.")
    if arguments.format != HTML and arguments.self_contained:
        raise Refusal(f"--self-contained is about pages; --format {arguments.format} has no pictures.")


def act(arguments: Namespace) -> int:
    """Show a judged run: in the terminal, as Markdown, as JSON or as a page. Exits 0 whatever the verdicts are."""
    _refuse_odd_options(arguments)
    run = runs.open_run(arguments.run)
    verdicts = verdicts_of(run)
    if verdicts is None:
        raise Refusal(f"{run.folder} has not been judged; run fluxgate judge {run.folder}.")
    cases = cases_of(run)
    report = report_on(run, verdicts, cases)
    if arguments.format == HTML:
        accepted = accepted_stack(Store.at(arguments.baselines), run.machine.id, cases)
        write_page(arguments.output, report, run, cases, accepted=accepted, self_contained=arguments.self_contained)
        say(f"The page is {arguments.output}.")
        return 0
    text = FORMATS[arguments.format](report).rstrip("\n")
    if arguments.output is None:
        say(text)
    else:
        write_whole(arguments.output, text.encode() + b"\n")
    return 0

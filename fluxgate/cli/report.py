"""`fluxgate report`: show a run or a gate in the terminal, as a page, or for a program."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fluxgate.baselines.local_copy import store_at
from fluxgate.cases import Case
from fluxgate.cli.finding import ANY_NAMED, LATEST, find
from fluxgate.cli.shared import add_baselines_option, add_runs_option, columns, say, say_report
from fluxgate.files import write_whole
from fluxgate.machine import Stack
from fluxgate.refusal import Refusal
from fluxgate.report import github
from fluxgate.report.gate_folder import is_gate, read_gate_result, run_of
from fluxgate.report.gate_markdown import gate_markdown
from fluxgate.report.gate_report import report_on_gate
from fluxgate.report.gate_result import CANDIDATE
from fluxgate.report.gate_terminal import gate_lines
from fluxgate.report.html.accepted import accepted_stack
from fluxgate.report.html.page import write_page
from fluxgate.report.html.pictures import Whole
from fluxgate.report.html.published import published_pictures
from fluxgate.report.html.sides import Sides, sides_of_gate, sides_of_run
from fluxgate.report.json import as_json
from fluxgate.report.junit import junit
from fluxgate.report.markdown import markdown
from fluxgate.report.report import Report, report_on, verdicts_of
from fluxgate.report.terminal import terminal
from fluxgate.runs import run as runs
from fluxgate.runs.plan import cases_of


def for_terminal(report: Report) -> str:
    """The report as this terminal can show it."""
    if report.gate is not None:
        return "\n".join(gate_lines(report.gate.result, width=columns()))
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return terminal(report, width=columns(), unicode=unicode)


def _json(report: Report) -> str:
    return as_json(report).decode()


def _markdown(report: Report) -> str:
    return gate_markdown(report.gate.result) if report.gate else markdown(report)


TERMINAL = "terminal"
FORMATS: dict[str, Callable[[Report], str]] = {
    TERMINAL: for_terminal,
    "markdown": _markdown,
    "json": _json,
    "junit": junit,
}
GITHUB = "github"  # a job summary, with annotations and outputs beside it
HTML = "html"  # a page, which is written into a file with pictures beside it


def add_options(parser: ArgumentParser) -> None:
    about = f"{ANY_NAMED} (default: {LATEST})"
    parser.add_argument("about", nargs="?", default=LATEST, metavar="RUN|GATE", help=about)
    add_runs_option(parser)
    add_baselines_option(parser)
    parser.add_argument(
        "--format",
        choices=(*FORMATS, GITHUB, HTML),
        default=TERMINAL,
        help="the form of the report (default: %(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="the file to write; a page needs one (default: standard output)"
    )
    parser.add_argument(
        "--page", default="", metavar="URL", help="with --format github: the address at which the page is published"
    )
    parser.add_argument(
        "--comment",
        type=Path,
        metavar="FILE",
        help="with --format github: also write a comment for the pull request to this file",
    )
    whole = parser.add_mutually_exclusive_group()
    whole.add_argument(
        "--self-contained", action="store_true", help="put the full-size pictures into the page, not beside it"
    )
    whole.add_argument("--small", action="store_true", help="leave the full-size pictures out")


def _refuse_odd_options(arguments: Namespace) -> None:
    if arguments.format == HTML and arguments.output is None:
        raise Refusal("A page is written to a file: add --output FILE.")
    if arguments.format != GITHUB and (arguments.page or arguments.comment):
        raise Refusal(f"--page and --comment need --format {GITHUB}.")
    if arguments.page and not arguments.page.startswith(("https://", "http://")):
        raise Refusal(f"--page takes the address of a page, https://…; this is {arguments.page[:120]!r}.")
    if arguments.format != HTML and (arguments.self_contained or arguments.small):
        option = "--small" if arguments.small else "--self-contained"
        raise Refusal(f"{option} needs --format {HTML}; --format {arguments.format} has no pictures.")


def act(arguments: Namespace) -> int:
    """Show a judged run or a gate: in the terminal, as a page, or for a program. Red or not, the exit code is 0."""
    _refuse_odd_options(arguments)
    folder = find(arguments.about, runs_folder=arguments.runs)
    shown = _of_gate(folder) if is_gate(folder) else _of_run(folder, arguments.baselines)
    if arguments.format == HTML:
        _write_page(shown, arguments)
        say(f"The page is {arguments.output}.")
        return 0
    text = _for_github(shown, arguments) if arguments.format == GITHUB else FORMATS[arguments.format](shown.report)
    text = text.rstrip("\n")
    if arguments.output is not None:
        write_whole(arguments.output, text.encode() + b"\n")
    elif arguments.format == TERMINAL:
        say_report(text)
    else:
        say(text)
    return 0


@dataclass(frozen=True)
class _Shown:
    """What is shown, and what a page needs beside the report; that is read when it is asked for."""

    report: Report
    cases: tuple[Case, ...]
    sides: Callable[[], Sides]
    accepted: Callable[[], Stack | None] = lambda: None


def _of_gate(folder: Path) -> _Shown:
    result = read_gate_result(folder)
    candidate = run_of(result, CANDIDATE, gate=folder)
    cases = cases_of(candidate) if candidate else ()
    return _Shown(report_on_gate(result, folder), cases, partial(sides_of_gate, result, folder))


def _of_run(folder: Path, baselines: Path) -> _Shown:
    run = runs.open_run(folder)
    verdicts = verdicts_of(run)
    if verdicts is None:
        raise Refusal(f"{run.folder} has not been judged; run fluxgate judge {run.folder}.")
    cases = cases_of(run)
    names = {case.subject.name for case in cases}
    store = store_at(baselines, machine=run.machine.id, subjects=names)
    accepted = partial(accepted_stack, store, run.machine.id, cases)
    return _Shown(report_on(run, verdicts, cases), cases, partial(sides_of_run, run, cases), accepted)


def _write_page(shown: _Shown, arguments: Namespace) -> None:
    write_page(
        arguments.output,
        shown.report,
        shown.sides(),
        shown.cases,
        accepted=shown.accepted(),
        whole=Whole.WITHIN if arguments.self_contained else Whole.NOWHERE if arguments.small else Whole.BESIDE,
    )


def _for_github(shown: _Shown, arguments: Namespace) -> str:
    """The job summary. Annotations go to standard error, where the runner reads them too, and outputs into its file."""
    report, page = shown.report, arguments.page
    pictures = published_pictures(report, shown.sides(), page) if page else ()
    for line in github.workflow_commands(report):
        print(line, file=sys.stderr)
    outputs = os.environ.get("GITHUB_OUTPUT")
    if outputs:
        with open(outputs, "a", encoding="utf-8") as stream:
            stream.write(github.output_lines(github.outputs(report)))
    if arguments.comment is not None:
        key = os.environ.get("GITHUB_WORKFLOW", "")
        text = github.comment(report, key=key, page=page, pictures=pictures)
        write_whole(arguments.comment, text.encode())
    return github.summary(report, page=page, pictures=pictures)

"""`fluxgate report`: a judged run or a gate, shown again."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fluxgate.baselines.remote import store_at
from fluxgate.cases import Case
from fluxgate.cli.shared import add_baselines_option, add_runs_option, columns, say
from fluxgate.files import is_name, write_whole
from fluxgate.machine import Stack
from fluxgate.refusal import Refusal
from fluxgate.report import gate_result, github
from fluxgate.report.gate_markdown import gate_markdown
from fluxgate.report.gate_report import report_on_gate
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


def _for_programs(report: Report) -> str:
    return as_json(report).decode()


def _for_people(report: Report) -> str:
    return gate_markdown(report.gate.result) if report.gate else markdown(report)


FORMATS: dict[str, Callable[[Report], str]] = {
    "terminal": for_terminal,
    "markdown": _for_people,
    "json": _for_programs,
    "junit": junit,
}


LATEST = gate_result.LATEST
GITHUB = "github"  # a job summary, with annotations and outputs beside it
HTML = "html"  # a page, which is written into a file with pictures beside it


def add_options(parser: ArgumentParser) -> None:
    about = f"the folder or the id of a run or of a gate, or {LATEST}; default: %(default)s"
    parser.add_argument("about", nargs="?", default=LATEST, metavar="RUN|GATE", help=about)
    add_runs_option(parser)
    add_baselines_option(parser)
    parser.add_argument("--format", choices=(*FORMATS, GITHUB, HTML), default="terminal", help="default: %(default)s")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output; a page needs one")
    parser.add_argument("--page", default="", metavar="URL", help="where the page is published, for --format github")
    parser.add_argument("--comment", type=Path, metavar="FILE", help="with --format github: a pull request's comment")
    whole = parser.add_mutually_exclusive_group()
    whole.add_argument("--self-contained", action="store_true", help="put whole pictures into the page, not beside it")
    whole.add_argument("--small", action="store_true", help="leave whole pictures out of a page and its folder")


def _refuse_odd_options(arguments: Namespace) -> None:
    if arguments.format == HTML and arguments.output is None:
        raise Refusal("A page is written into a file: add --output FILE.")
    if arguments.format != GITHUB and (arguments.page or arguments.comment):
        raise Refusal(f"--page and --comment are about --format {GITHUB}.")
    if arguments.page and not arguments.page.startswith(("https://", "http://")):
        raise Refusal(f"--page takes the address of a page, https://…; this is {arguments.page[:120]!r}.")
    if arguments.format != HTML and (arguments.self_contained or arguments.small):
        option = "--small" if arguments.small else "--self-contained"
        raise Refusal(f"{option} is about pages; --format {arguments.format} has no pictures.")


def act(arguments: Namespace) -> int:
    """Show a judged run or a gate: in the terminal, as a page, or for another program. Exits 0 whatever was found."""
    _refuse_odd_options(arguments)
    found = find(arguments.about, runs_folder=arguments.runs)
    shown = _of_gate(found) if (found / gate_result.FACTS).is_file() else _of_run(found, arguments.baselines)
    if arguments.format == HTML:
        _write_page(shown, arguments)
        say(f"The page is {arguments.output}.")
        return 0
    text = _for_github(shown, arguments) if arguments.format == GITHUB else FORMATS[arguments.format](shown.report)
    text = text.rstrip("\n")
    if arguments.output is None:
        say(text)
    else:
        write_whole(arguments.output, text.encode() + b"\n")
    return 0


def find(text: str, *, runs_folder: Path) -> Path:
    """The folder of a run or of a gate: by its path, by its id, or the one that was started last."""
    if text == LATEST:
        return _latest(runs_folder)
    gates = runs_folder / gate_result.GATES
    by_id = [folder / text for folder in (runs_folder, gates) if is_name(text) and (folder / text).is_dir()]
    path = Path(text)
    folder = path.parent if path.name in (runs.FACTS, gate_result.FACTS) else path
    return folder if folder.is_dir() or not by_id else by_id[0]


def _latest(runs_folder: Path) -> Path:
    """The names of both begin with the moment at which they were started."""
    places = (f"*/{runs.FACTS}", f"{gate_result.GATES}/*/{gate_result.FACTS}")
    folders = [path.parent for place in places for path in runs_folder.glob(place)]
    if not folders:
        raise Refusal(f"There is neither a run nor a gate in {runs_folder} yet.")
    return max(folders, key=lambda folder: folder.name)


@dataclass(frozen=True)
class _Shown:
    """What is shown, and what a page needs beside the report; that is read when it is asked for."""

    report: Report
    cases: tuple[Case, ...]
    sides: Callable[[], Sides]
    accepted: Callable[[], Stack | None] = lambda: None


def _of_gate(folder: Path) -> _Shown:
    result = gate_result.read_gate_result(folder)
    candidate = gate_result.run_of(result, gate_result.CANDIDATE, gate=folder)
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

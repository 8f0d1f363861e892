"""`fluxgate machines`: show what several machines found, side by side."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path

from fluxgate.cli.finding import find
from fluxgate.cli.shared import RED, add_runs_option, say
from fluxgate.files import write_whole
from fluxgate.refusal import Refusal
from fluxgate.report.gate_folder import is_gate, read_gate_result
from fluxgate.report.gate_result import Answer
from fluxgate.report.machines import (
    GOOD,
    MachineColumn,
    column_of_gate,
    column_of_run,
    machines_markdown,
    refuse_other_upgrades,
)
from fluxgate.report.report import verdicts_of
from fluxgate.runs import run as runs

FINE = (GOOD, Answer.SAFE, Answer.DRIFT)


def add_options(parser: ArgumentParser) -> None:
    about = "the folders or the ids of judged runs, or of gates of one upgrade: one from each machine"
    parser.add_argument("about", nargs="+", metavar="RUN|GATE", help=about)
    add_runs_option(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="the file to write (default: standard output)")


def act(arguments: Namespace) -> int:
    """Show what several machines found, a column for each, as Markdown."""
    folders = [find(name, runs_folder=arguments.runs) for name in arguments.about]
    for folder, times in Counter(folder.resolve() for folder in folders).items():
        if times > 1:
            raise Refusal(f"{folder} is named {times} times; name one run or gate of each machine.")
    columns = _columns(folders)
    text = machines_markdown(columns)
    if arguments.output is None:
        say(text.rstrip())
    else:
        write_whole(arguments.output, text.encode())
    return 0 if all(column.answer in FINE for column in columns) else RED


def _columns(folders: list[Path]) -> list[MachineColumn]:
    gates = [is_gate(folder) for folder in folders]
    if all(gates):
        results = [read_gate_result(folder) for folder in folders]
        refuse_other_upgrades(results)
        return [column_of_gate(result) for result in results]
    if any(gates):
        raise Refusal("Gates and runs cannot stand side by side: name the ones or the others.")
    return [_column_of_run(folder) for folder in folders]


def _column_of_run(folder: Path) -> MachineColumn:
    run = runs.open_run(folder)
    verdicts = verdicts_of(run)
    if verdicts is None:
        raise Refusal(f"{run.folder} has not been judged; run fluxgate judge {run.folder}.")
    return column_of_run(run.machine, verdicts, cut_short=run.finished is None)

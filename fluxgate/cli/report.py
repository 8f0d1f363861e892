"""`fluxgate report`: a judged run, told once more."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from fluxgate.amounts import amount
from fluxgate.cli.shared import add_run_option, columns, say
from fluxgate.files import write_whole
from fluxgate.judge.verdict import NOT_SELECTED, Verdict
from fluxgate.refusal import Refusal
from fluxgate.report.cards import cards as cards_of
from fluxgate.report.json import as_json, report
from fluxgate.report.markdown import markdown
from fluxgate.report.published_settings import Findings, findings
from fluxgate.report.terminal import terminal
from fluxgate.runs import run as runs
from fluxgate.runs.plan import cases_of
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run


def add_options(parser: ArgumentParser) -> None:
    add_run_option(parser)
    parser.add_argument("--format", choices=("terminal", "markdown", "json"), default="terminal")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")


def act(arguments: Namespace) -> int:
    """Tell what was found in a run that has been judged: for a terminal, as Markdown or as JSON."""
    run = runs.open_run(arguments.run)
    if not (run.folder / runs.VERDICTS).exists():
        raise Refusal(f"{run.folder} has not been judged; run fluxgate judge {run.folder}.")
    text = _told(run, run.read_json(runs.VERDICTS, tuple[Verdict, ...]), arguments.format)
    if arguments.output is None:
        say(text)
    else:
        write_whole(arguments.output, text.encode() + b"\n")
    return 0


def in_the_terminal(run: Run, verdicts: tuple[Verdict, ...]) -> str:
    """The report for a terminal; `judge` ends with it, too."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return terminal(
        _asked_about(verdicts),
        run.renderings(),
        run=run.folder,
        cards=cards_of(run),
        limit=run.vram_limit,
        width=columns(),
        unicode=unicode,
        settings=_settings(run, verdicts),
    )


def _told(run: Run, verdicts: tuple[Verdict, ...], form: str) -> str:
    known = {case.id: case for case in cases_of(run)}
    if form == "json":
        found = report(
            verdicts,
            run.renderings(),
            run=run.id,
            machine=run.machine,
            stack=run.stack,
            cases=known,
            cards=cards_of(run),
            vram_limit=run.vram_limit,
        )
        return as_json(found).decode().rstrip("\n")
    if form == "markdown":
        return markdown(
            _asked_about(verdicts),
            run.renderings(),
            title=f"Fluxgate on {run.machine.name}{_held(run)}",
            run=str(run.folder),
            versions=_versions(run),
            cases=known,
            settings=_settings(run, verdicts),
            cards=cards_of(run),
        ).rstrip("\n")
    return in_the_terminal(run, verdicts)


def _held(run: Run) -> str:
    return f", each case held to {amount(run.vram_limit)} of it" if run.vram_limit is not None else ""


def _versions(run: Run) -> dict[str, str]:
    """Of everything between the pictures and the hardware, the lowest layer first."""
    machine = run.machine
    layers = {"driver": machine.driver, "CUDA": machine.cuda, "Python": machine.python, "torch": machine.torch}
    return {**{name: version for name, version in layers.items() if version}, **run.stack}


def _settings(run: Run, verdicts: tuple[Verdict, ...]) -> tuple[Findings, ...]:
    """What the settings of a published guide change, where this run has pictures made with them."""
    found = {case_id: Rendered(rendering, run.case_folder(case_id)) for case_id, rendering in run.renderings().items()}
    return findings(found, verdicts)


def _asked_about(verdicts: tuple[Verdict, ...]) -> list[Verdict]:
    """Without the rows of which nobody asked anything."""
    asked = {verdict.case_id for verdict in verdicts if verdict.status != NOT_SELECTED}
    return [verdict for verdict in verdicts if verdict.case_id in asked]

"""`fluxgate advise`: which strategy for which card."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from fluxgate.cli.shared import NOTHING, add_runs_option, columns, say
from fluxgate.judge.verdict import Verdict
from fluxgate.options import chosen, memory
from fluxgate.refusal import Refusal
from fluxgate.report.advice import advice, advise
from fluxgate.report.cards import trials
from fluxgate.runs import run as runs
from fluxgate.runs.plan import cases_of
from fluxgate.runs.run import Run


def add_options(parser: ArgumentParser) -> None:
    about = "the run's folder; default: the latest with renderings of a GPU"
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help=about)
    parser.add_argument("--vram", required=True, metavar="AMOUNT", help="what the card has, like 12GB")
    parser.add_argument("--subject", action="append", default=[], metavar="NAME[,NAME]", help="default: all of the run")
    add_runs_option(parser)


def act(arguments: Namespace) -> int:
    """Rank the strategies for a card, by what a run has measured."""
    vram = memory(arguments.vram, option="--vram")
    run = runs.open_run(arguments.run) if arguments.run else _latest_on_gpu(arguments.runs)
    if run.machine.device != "cuda":
        raise Refusal(f"{run.folder} was rendered on a CPU: its memory figures are the host's, not a card's.")
    cases = cases_of(run)
    rendered = dict.fromkeys(rendering.subject for rendering in run.renderings().values())
    names = chosen(arguments.subject or rendered, among=rendered, option="--subject")
    verdicts = run.read_json(runs.VERDICTS, tuple[Verdict, ...]) if (run.folder / runs.VERDICTS).exists() else ()
    width = columns()
    found = [
        advise([case for case in cases if case.subject.name == name], trials(run), verdicts, vram=vram)
        for name in names
    ]
    for one in found:
        say(advice(one, width=width) + "\n")
    if not verdicts:
        say(f"Whether promises were kept is not known: the run was not judged (fluxgate judge {run.folder}).")
    say(f"The run is in {run.folder}")
    return 0 if any(one.ranked for one in found) else NOTHING


def _latest_on_gpu(root: Path) -> Run:
    """The run that was started last, of those that rendered anything on a GPU."""
    for run in reversed(list(runs.readable(root))):
        if run.machine.device == "cuda" and run.renderings():
            return run
    said = f"There is no run in {root} that was rendered on a GPU, and what a CPU measures says nothing about cards"
    raise Refusal(f"{said}; name one: fluxgate advise RUN --vram AMOUNT.")

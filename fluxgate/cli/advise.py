"""`fluxgate advise`: which strategy for which card."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from fluxgate.cli.shared import NOTHING, add_names_option, add_runs_option, columns, say
from fluxgate.options import chosen, memory
from fluxgate.refusal import Refusal
from fluxgate.report.advice import advise, in_words
from fluxgate.report.cards import trials
from fluxgate.report.report import verdicts_of
from fluxgate.runs import run as runs
from fluxgate.runs.plan import cases_of
from fluxgate.runs.run import Run


def add_options(parser: ArgumentParser) -> None:
    about = "the run's folder; default: the latest with renderings of a GPU"
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help=about)
    parser.add_argument("--vram", required=True, metavar="AMOUNT", help="what the card has, like 12GB")
    add_names_option(parser, "--subject", default="all of the run")
    add_runs_option(parser)


def act(arguments: Namespace) -> int:
    """Rank the strategies for a card by what a run has measured."""
    vram = memory(arguments.vram, option="--vram")
    run = runs.open_run(arguments.run) if arguments.run else _latest_on_gpu(arguments.runs)
    if run.machine.device != "cuda":
        raise Refusal(f"{run.folder} was rendered on a CPU: its memory is the host's, and says nothing about cards.")
    cases = cases_of(run)
    rendered = dict.fromkeys(rendering.subject for rendering in run.renderings().values())
    names = chosen(arguments.subject or rendered, among=rendered, option="--subject")
    verdicts, tried = verdicts_of(run), trials(run)
    advice = [
        advise([case for case in cases if case.subject.name == name], tried, verdicts or (), vram=vram)
        for name in names
    ]
    for one in advice:
        say(in_words(one, width=columns()) + "\n")
    if verdicts is None:
        say(f"The run was not judged, so no strategy was left out for a broken promise: fluxgate judge {run.folder}")
    say(f"The run is in {run.folder}")
    return 0 if any(one.ranked for one in advice) else NOTHING


def _latest_on_gpu(root: Path) -> Run:
    """The run that was started last, of those that rendered anything on a GPU."""
    for run in reversed(list(runs.readable(root))):
        if run.machine.device == "cuda" and run.renderings():
            return run
    raise Refusal(
        f"No run in {root} was rendered on a GPU, and what a CPU measures says nothing about cards. "
        f"Name a run that was: fluxgate advise RUN --vram AMOUNT."
    )

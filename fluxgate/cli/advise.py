"""`fluxgate advise`: which strategy fits a card, and what it costs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Sequence

from fluxgate.amounts import amount
from fluxgate.cli.finding import find_run
from fluxgate.cli.shared import NOTHING, add_runs_option, add_subject_option, columns, say, say_wrapped
from fluxgate.machine import stack
from fluxgate.options import chosen, memory
from fluxgate.refusal import Refusal
from fluxgate.report.advice import Advice, advise
from fluxgate.report.advice_terminal import advice_text
from fluxgate.report.cards import trials
from fluxgate.report.own_script import script
from fluxgate.report.report import verdicts_of
from fluxgate.report.shipped import advise_from_shipped, shipped
from fluxgate.runs import run as runs
from fluxgate.runs.plan import cases_of
from fluxgate.runs.run import Run
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import sizes_at_hand

FLUX = "black-forest-labs/FLUX.1-dev"  # what the lines load where the subject has no pipeline of one's own
SMALL = "miniature"
SAME_SHAPES = ("flux-dev",)  # as the subject has that the shipped measurements are of


def add_options(parser: ArgumentParser) -> None:
    about = "the folder or the id of a run (default: the latest on a GPU, else the figures that ship with Fluxgate)"
    parser.add_argument("run", nargs="?", metavar="RUN", help=about)
    parser.add_argument("--vram", required=True, metavar="AMOUNT", help="memory of the card, like 12GB")
    parser.add_argument(
        "--ram", metavar="AMOUNT", help="memory that the host can spare, like 32GB (default: not considered)"
    )
    about = "use the figures that ship with Fluxgate, for FLUX.1-dev's shapes, even if there is a run"
    parser.add_argument("--shipped", action="store_true", help=about)
    add_subject_option(parser, default="all of the run")
    add_runs_option(parser)


def act(arguments: Namespace) -> int:
    """Rank the strategies for a card by what was measured, and print the lines that load the best one."""
    vram = memory(arguments.vram, option="--vram")
    ram = memory(arguments.ram, option="--ram") if arguments.ram is not None else None
    if arguments.shipped and arguments.run:
        raise Refusal(f"--shipped and {arguments.run} exclude each other.")
    run = None if arguments.shipped else _run_of(arguments)
    if run is None:
        return _from_shipped(arguments, vram=vram, ram=ram)
    if run.machine.device != "cuda":
        raise Refusal(f"{run.folder} was rendered on a CPU: its memory is the host's, and says nothing about cards.")
    return _from_run(run, arguments, vram=vram, ram=ram)


def _from_run(run: Run, arguments: Namespace, *, vram: int, ram: int | None) -> int:
    cases = cases_of(run)
    rendered = dict.fromkeys(rendering.subject for rendering in run.renderings().values())
    names = chosen(arguments.subject or rendered, among=rendered, option="--subject")
    verdicts, tried = verdicts_of(run), trials(run)
    advice = [
        advise([case for case in cases if case.subject.name == name], tried, verdicts or (), vram=vram, ram=ram)
        for name in names
    ]
    for one in advice:
        say(advice_text(one, width=columns()) + "\n")
        if one.subject == SMALL:
            say_wrapped(
                f"The {SMALL} is small: for FLUX.1-dev's size, fluxgate advise --shipped --vram {arguments.vram}"
            )
            say("")
        _say_scripts(one)
    if verdicts is None:
        say_wrapped(
            f"The run was not judged, so nothing was left out for a broken promise: fluxgate judge {run.folder}"
        )
    say(f"The run is in {run.folder}")
    return 0 if any(one.ranked for one in advice) else NOTHING


def _from_shipped(arguments: Namespace, *, vram: int, ram: int | None) -> int:
    measured = shipped()
    answered = [measured.subject, *SAME_SHAPES]
    for subject in _catalogued(arguments.subject, but=answered):
        raise Refusal(_not_rendered(subject, arguments.vram))
    chosen(arguments.subject, among=answered, option="--subject")
    advice = advise_from_shipped(measured, vram=vram, ram=ram)
    say(advice_text(advice, width=columns()) + "\n")
    _say_scripts(advice)
    if ram is None and not advice.asks_for_ram:
        say_wrapped("Host memory was not considered; say how much there is: --ram 32GB")
    say_wrapped("To measure your own machine: fluxgate grow, then pytest -m gpu --subject grown, then ask again.")
    return 0 if advice.best else NOTHING


def _catalogued(given: Sequence[str], *, but: Collection[str]) -> list[Subject]:
    """The subjects that are asked for by name and that nothing was measured of."""
    catalogue = subjects()
    return [catalogue[name] for names in given for name in names.split(",") if name in catalogue and name not in but]


def _not_rendered(subject: Subject, vram: str) -> str:
    """What can be known before anything was measured: what cannot fit."""
    sizes = sizes_at_hand(subject)
    largest = max(sizes, key=lambda name: sizes[name], default=None)
    weights = f" Its weights take {amount(sum(sizes.values()))}, which full needs and more" if sizes else ""
    if largest is not None and len(sizes) > 1:
        weights += (
            f"; those of {largest}, the largest of its components, {amount(sizes[largest])}, which model-offload needs"
        )
    return (
        f"{subject.name} was not rendered on a GPU yet.{weights}{'.' if weights else ''} Measure it on one, "
        f"fluxgate render --subject {subject.name}, and ask again; "
        f"fluxgate advise --shipped --vram {vram} answers for FLUX.1-dev's shapes."
    )


def _say_scripts(advice: Advice) -> None:
    """The lines of the best one and of a quicker one, ready to be copied."""
    for one in (advice.best, advice.quicker):
        if one is not None and advice.subject != SMALL:
            _say_script(one.strategy)


def _say_script(name: str) -> None:
    lines = script(name, source=FLUX, diffusers=stack().get("diffusers"))
    if lines is None:
        function = name.replace("-", "_")
        say_wrapped(f"{name} takes more than a few lines: see the function {function} in fluxgate/strategies/.")
        say("")
    else:
        say(f"In your own script, {name} is:\n\n{lines}")


def _run_of(arguments: Namespace) -> Run | None:
    """The run that is named; else the one that was started last, of those that rendered anything on a GPU."""
    if arguments.run:
        return find_run(arguments.run, runs_folder=arguments.runs)
    for run in reversed(list(runs.readable(arguments.runs))):
        if run.machine.device == "cuda" and run.renderings():
            return run
    return None

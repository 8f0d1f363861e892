"""What several verbs share: exit codes, options, what is read from them, and a line for whoever reads."""

from __future__ import annotations

import shlex
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from fluxgate.cases import Case, matrix
from fluxgate.judge import standards as kept
from fluxgate.machine import detect, outside_support, stack
from fluxgate.options import chosen, seconds
from fluxgate.refusal import Refusal
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from fluxgate.session import CASE_TIMEOUT
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.subject import Subject

RED, NOTHING = 1, 5  # exit codes, beside 0, a refusal's own and those of fluxgate/cli/main.py
NAMES = tuple(strategy.name for strategy in STRATEGIES)


# Options


def add_choosing_options(parser: ArgumentParser) -> None:
    """Of the verbs that render: which cases, for how long, and into which folder."""
    names = {"action": "append", "default": [], "metavar": "NAME[,NAME]"}
    parser.add_argument("--subject", **names, help="default: miniature")  # type: ignore[arg-type]
    parser.add_argument("--strategy", **names, help="default: all")  # type: ignore[arg-type]
    parser.add_argument("--case-timeout", default=f"{CASE_TIMEOUT:.0f}", metavar="SECONDS", help="default: %(default)s")
    add_runs_option(parser)


def add_run_option(parser: ArgumentParser) -> None:
    """The run that a verb is about."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder")


def add_runs_option(parser: ArgumentParser) -> None:
    """The folder that all runs are in."""
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="FOLDER", help="default: %(default)s")


def add_store_option(parser: ArgumentParser) -> None:
    """The folder of baselines."""
    parser.add_argument(
        "--baselines", type=Path, default=kept.BASELINES, metavar="FOLDER", help="default: the repository's"
    )


# What is read from them


def chosen_strategies(arguments: Namespace) -> tuple[str, ...]:
    """The names of the strategies that are asked about."""
    return chosen(arguments.strategy or NAMES, among=NAMES, option="--strategy")


def case_timeout(arguments: Namespace) -> float:
    """How many seconds a case may take."""
    return seconds(arguments.case_timeout, option="--case-timeout")


def every_case(arguments: Namespace) -> tuple[Case, ...]:
    """The matrix of the chosen subjects, on libraries that are known to be supported."""
    machine, libraries = detect(), stack()
    unfit = outside_support(libraries, torch=machine.torch)
    if unfit:
        raise Refusal(unfit)
    return matrix(_chosen_subjects(arguments), STRATEGIES, machine=machine, stack=libraries)


def _chosen_subjects(arguments: Namespace) -> tuple[Subject, ...]:
    catalogue = subjects()
    names = chosen(arguments.subject or ["miniature"], among=catalogue, option="--subject")
    return tuple(catalogue[name] for name in names)


def supported(cases: Sequence[Case], strategies: Sequence[str]) -> list[Case]:
    """The cases under these strategies that can be rendered here; of the others the reason is told."""
    wanted = [case for case in cases if case.strategy.name in strategies]
    for case in wanted:
        if case.unsupported is not None:
            say(f"{case.id} is unsupported: {case.unsupported}")
    return [case for case in wanted if case.unsupported is None]


def new_run(arguments: Namespace, *, vram_limit: int | None = None) -> Run:
    """A folder to render into, which knows the command that made it."""
    command = shlex.join(["fluxgate", *sys.argv[1:]])
    return runs.create(arguments.runs, detect(), stack(), command, vram_limit=vram_limit)


def subjects_of(run: Run, catalogue: Mapping[str, Subject]) -> list[Subject]:
    """The subjects that a run has renderings of."""
    names = {rendering.subject for rendering in run.renderings().values()}
    unknown = sorted(names - set(catalogue))
    if unknown:
        raise Refusal(f"{run.folder} has renderings of {', '.join(unknown)}; there is: {', '.join(catalogue)}.")
    return [subject for name, subject in catalogue.items() if name in names]


# What is said


def columns() -> int:
    """How wide the terminal is."""
    return shutil.get_terminal_size((100, 24)).columns


def say(line: str) -> None:
    """A line for whoever reads: at once, since the next one may take minutes."""
    print(line, flush=True)

"""What several verbs share: exit codes, options, the request that they are, and a line for whoever reads."""

from __future__ import annotations

import shlex
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path

from fluxgate import configuration
from fluxgate.baselines.store import OWN
from fluxgate.cases import Case
from fluxgate.options import address_of
from fluxgate.refusal import Refusal
from fluxgate.session.choice import CASE_TIMEOUT, Request

RED, INTERRUPTED, NOTHING = 1, 2, 5  # exit codes, beside 0 and a refusal's own; pytest's own are the same


# Options


def add_choosing_options(parser: ArgumentParser) -> None:
    """Of the verbs that render: which cases, for how long, and into which folder."""
    add_subject_option(parser)
    add_names_option(parser, "--strategy", default="all")
    add_timeout_option(parser)
    add_runs_option(parser)


def add_subject_option(parser: ArgumentParser) -> None:
    """Of the verbs that render: which pipelines."""
    default = ", ".join(configuration.current().subject) or "miniature"
    add_names_option(parser, "--subject", default=default)


def add_names_option(parser: ArgumentParser, option: str, *, default: str) -> None:
    """Names with commas between them, or the option several times."""
    parser.add_argument(option, action="append", default=[], metavar="NAME[,NAME]", help=f"default: {default}")


def add_timeout_option(parser: ArgumentParser) -> None:
    """How long a case may take."""
    parser.add_argument("--case-timeout", default=f"{CASE_TIMEOUT:.0f}", metavar="SECONDS", help="default: %(default)s")


def add_run_option(parser: ArgumentParser) -> None:
    """The run that a verb is about."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder")


def add_runs_option(parser: ArgumentParser) -> None:
    """The folder that all runs are in."""
    default = configuration.current().runs or Path("runs")
    parser.add_argument("--runs", type=Path, default=default, metavar="FOLDER", help="default: %(default)s")


def add_baselines_option(parser: ArgumentParser) -> None:
    """The folder of baselines."""
    default = configuration.current().baselines or OWN
    parser.add_argument(
        "--baselines",
        type=Path,
        default=default,
        metavar="FOLDER",
        help="accepted pictures, or an address like s3://…; default: %(default)s",
    )


# What is read from them


def request_of(arguments: Namespace) -> Request:
    """What the options of a verb that renders ask for."""
    return Request(
        subjects=arguments.subject,
        strategies=arguments.strategy,
        takes=getattr(arguments, "takes", None),
        shard=getattr(arguments, "shard", None),
        vram_limit=getattr(arguments, "vram_limit", None),
        case_timeout=arguments.case_timeout,
        runs=arguments.runs,
    )


def refuse_address(baselines: Path) -> None:
    """Refuse a store elsewhere where a verb writes into a folder, or reads all of it."""
    address = address_of(baselines)
    if address is not None:
        raise Refusal(f"This works on a folder of baselines, not on {address}.")


def command() -> str:
    """This call, as it can be typed again."""
    return shlex.join(["fluxgate", *sys.argv[1:]])


# What is said


def say_unsupported(cases: Iterable[Case]) -> None:
    """The reason for each case that cannot run here."""
    for case in cases:
        if case.unsupported is not None:
            say(f"{case.id} cannot run here: {case.unsupported}")


def columns() -> int:
    """How wide the terminal is."""
    return shutil.get_terminal_size((100, 24)).columns


def say(line: str) -> None:
    """A line for whoever reads: at once, since the next one may take minutes."""
    print(line, flush=True)

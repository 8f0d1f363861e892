"""What several verbs share: exit codes, options, the request that they are, and a line for whoever reads."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fluxgate import configuration
from fluxgate.cases import Case
from fluxgate.options import SHARED, address_of
from fluxgate.refusal import Refusal
from fluxgate.report.colours import coloured
from fluxgate.report.escaping import wrapped
from fluxgate.session.choice import Request

RED, INTERRUPTED, NOTHING = 1, 2, 5  # exit codes, beside 0 and a refusal's own; pytest's own are the same


# Options


def add_option(
    parser: ArgumentParser, name: str, *, value: Any = None, default: str | None = None, **settings: Any
) -> None:
    """An option that pytest has as well. value: without it; default: how its help says that, if not as usual."""
    option = SHARED[name]
    parser.add_argument(
        f"--{name}", metavar=option.metavar, help=option.help(default).replace("%", "%%"), default=value, **settings
    )


def add_choosing_options(parser: ArgumentParser) -> None:
    """Of the verbs that render: which cases, for how long, and into which folder."""
    add_subject_option(parser)
    add_strategy_option(parser)
    add_timeout_option(parser)
    add_runs_option(parser)


def add_subject_option(parser: ArgumentParser, *, default: str | None = None) -> None:
    """Which pipelines."""
    usual = ", ".join(configuration.current().subject) or None
    add_option(parser, "subject", action="append", value=[], default=default or usual)


def add_strategy_option(parser: ArgumentParser, *, default: str | None = None) -> None:
    """Which ways to fit them into memory."""
    add_option(parser, "strategy", action="append", value=[], default=default)


def add_timeout_option(parser: ArgumentParser) -> None:
    """How long a case may take."""
    add_option(parser, "case-timeout", value=SHARED["case-timeout"].default)


def add_runs_option(parser: ArgumentParser) -> None:
    """The folder that all runs are in."""
    default = configuration.default_folder("runs")
    add_option(parser, "runs", type=Path, value=default, default=str(default))


def add_baselines_option(parser: ArgumentParser) -> None:
    """The folder of baselines."""
    default = configuration.default_folder("baselines")
    add_option(parser, "baselines", type=Path, value=default, default=str(default))


def add_cluster_options(parser: ArgumentParser) -> None:
    """Where cases are rendered, if not here."""
    group = parser.add_argument_group("a cluster")
    about = "a Ray cluster: ray for this host's own, or an address like ray://HEAD:10001 (default: this machine alone)"
    group.add_argument("--on", metavar="CLUSTER", help=about)
    about = "with --on: on each of these accelerators, like H100,L4; without names, on every one"
    group.add_argument("--each", metavar="NAME[,NAME]", nargs="?", const="", help=about)


# What is read from them


def request_of(arguments: Namespace) -> Request:
    """What the options of a verb that renders ask for."""
    return Request(
        subjects=arguments.subject,
        strategies=arguments.strategy,
        tier=getattr(arguments, "tier", None),
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
        raise Refusal(f"This works only on a folder of baselines, not on {address}.")


def refuse_each_alone(arguments: Namespace) -> None:
    """Refuse kinds of machines where there is only this one."""
    if arguments.each is not None:
        raise Refusal("--each names accelerators of a cluster; it needs --on.")


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


def say_report(text: str) -> None:
    """A report, in colour on a terminal that has it: https://no-color.org."""
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    say(coloured(text) if wanted else text)


def say_wrapped(text: str) -> None:
    """A sentence or several, in lines as wide as the terminal."""
    for line in wrapped(text, columns()):
        say(line)


def say(line: str) -> None:
    """A line for whoever reads: at once, since the next one may take minutes."""
    print(line, flush=True)

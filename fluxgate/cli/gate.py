"""`fluxgate gate`: is this upgrade safe, and if not, which package did it."""

from __future__ import annotations

import datetime
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fluxgate.cli.shared import add_names_option, add_runs_option, add_timeout_option, columns, command, say
from fluxgate.files import write_plain
from fluxgate.gate.blaming import blame
from fluxgate.gate.environments.choice import INSTALLERS, choose_installer
from fluxgate.gate.gate import Settings, compare_stacks, of_unmade
from fluxgate.gate.result import About, as_plain
from fluxgate.gate.stacks import Stacks, asked_of, make_stacks
from fluxgate.gate.tiers import Tier
from fluxgate.report.gate_result import Answer, GateResult, create_gate, write_gate_result
from fluxgate.report.gate_terminal import gate_lines


def add_options(parser: ArgumentParser) -> None:
    about = "the changes, like diffusers==0.43.0 transformers==5.24; or two files of pins, OLD.txt NEW.txt"
    parser.add_argument("upgrade", nargs="+", metavar="CHANGE", help=about)
    parser.add_argument(
        "--tier", choices=[tier.value for tier in Tier], default=Tier.SHORT.value, help="default: %(default)s"
    )
    add_names_option(parser, "--subject", default="miniature")
    add_timeout_option(parser)
    parser.add_argument("--installer", choices=INSTALLERS, help="default: pip, or uv where there is no pip")
    parser.add_argument("--wheelhouse", type=Path, metavar="FOLDER", help="install from this folder, without network")
    parser.add_argument("--strict", action="store_true", help="drift is not safe either")
    parser.add_argument("--no-culprit", action="store_true", help="do not look for the package that is to blame")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the result as JSON there, too")
    add_runs_option(parser)


def act(arguments: Namespace) -> int:
    """Render an upgrade beside what is installed, and say whether it is safe and which package is to blame."""
    started = datetime.datetime.now(datetime.UTC)
    settings = Settings(
        subjects=tuple(arguments.subject),
        tier=Tier(arguments.tier),
        installer=arguments.installer,
        wheelhouse=arguments.wheelhouse,
        case_timeout=arguments.case_timeout,
        runs=arguments.runs,
        command=command(),
    )
    installer = choose_installer(settings.installer, wheelhouse=settings.wheelhouse)
    seconds: dict[str, float] = {}
    with _timed("environments", seconds):
        made = make_stacks(asked_of(tuple(arguments.upgrade)), installer=installer, report=say)
    finding = None
    if isinstance(made, Stacks):
        with _timed("rendering", seconds):
            gated = compare_stacks(made, settings, report=say)
        if gated.decision.answer is Answer.NOT_SAFE and not arguments.no_culprit:
            with _timed("culprit", seconds):
                finding = blame(gated, made, settings, installer=installer, report=say)
    else:
        gated = of_unmade(made)
    folder = create_gate(settings.runs, gated.machine.id, now=started)
    about = About(folder, tier=settings.tier.value, command=settings.command, started=started, seconds=seconds)
    _show(as_plain(gated, finding, about), folder, output=arguments.output)
    return gated.decision.exit_code(strict=arguments.strict)


@contextmanager
def _timed(doing: str, seconds: dict[str, float]) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[doing] = time.monotonic() - started


def _show(result: GateResult, folder: Path, *, output: Path | None) -> None:
    path = write_gate_result(folder, result)
    if output is not None:
        write_plain(output, result)
    say("")
    for line in gate_lines(result, width=columns()):
        say(line)
    say(f"The result is in {path}")

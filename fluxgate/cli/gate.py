"""`fluxgate gate`: is this upgrade safe, and if not, which package did it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from fluxgate.cli.shared import add_names_option, add_runs_option, add_timeout_option, columns, command, say
from fluxgate.files import write_plain
from fluxgate.gate.blaming import Evidence, blame
from fluxgate.gate.culprit.finding import Finding
from fluxgate.gate.decision import Answer
from fluxgate.gate.environments.choice import INSTALLERS, choose_installer
from fluxgate.gate.gate import Gated, Settings, compare_stacks, of_unmade
from fluxgate.gate.result import as_plain
from fluxgate.gate.stacks import Stacks, asked_of, make_stacks
from fluxgate.gate.tiers import Tier
from fluxgate.gate.words import lines, next_step


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
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="the result as JSON; default: gate.json in the runs"
    )
    add_runs_option(parser)


def act(arguments: Namespace) -> int:
    """Render an upgrade beside what is installed, and say whether it is safe and which package is to blame."""
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
    made = make_stacks(asked_of(tuple(arguments.upgrade)), installer=installer, report=say)
    finding = None
    if isinstance(made, Stacks):
        gated = compare_stacks(made, settings, report=say)
        if gated.decision.answer is Answer.NOT_SAFE and not arguments.no_culprit:
            finding = blame(gated, made, settings, installer=installer, report=say)
    else:
        gated = of_unmade(made)
    _show(gated, finding, output=arguments.output or settings.runs / "gate.json")
    return gated.decision.exit_code(strict=arguments.strict)


def _show(gated: Gated, finding: Finding[Evidence] | None, *, output: Path) -> None:
    write_plain(output, as_plain(gated, finding))
    say("")
    for line in lines(gated, finding, width=columns()):
        say(line)
    say(next_step(gated))
    say(f"The result is in {output}")

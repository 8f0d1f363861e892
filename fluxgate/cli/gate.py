"""`fluxgate gate`: is this upgrade safe, and if not, which package did it?"""

from __future__ import annotations

import datetime
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

from fluxgate import configuration
from fluxgate.cli.gate_on import REFUSED, gate_on_cluster
from fluxgate.cli.shared import (
    add_cluster_options,
    add_option,
    add_runs_option,
    add_strategy_option,
    add_subject_option,
    columns,
    command,
    refuse_each_alone,
    say,
    say_report,
)
from fluxgate.files import refuse_unwritable, write_plain
from fluxgate.gate.environments.choice import INSTALLERS, choose_installer
from fluxgate.gate.environments.clearing import OLD, clear, clear_wheels
from fluxgate.gate.environments.commits import WHEELS, parse_checkout
from fluxgate.gate.environments.steps import refusing_a_failing_disk
from fluxgate.gate.holding import Held, hold
from fluxgate.gate.result import About, as_plain
from fluxgate.gate.settings import Settings
from fluxgate.gate.stacks import asked_of
from fluxgate.judge.sentences import counted
from fluxgate.options import whole_number
from fluxgate.refusal import Refusal
from fluxgate.report.gate_folder import create_gate, write_gate_result
from fluxgate.report.gate_result import GateResult
from fluxgate.report.gate_terminal import gate_lines
from fluxgate.session.tiers import Tier, tier_named
from fluxgate.subjects.sources import cache_folder

MOST_REPEATS, MOST_DAYS = 20, 3650


def add_options(parser: ArgumentParser) -> None:
    about = "what changes, like diffusers==0.43.0 transformers==5.24; or two files of pins, OLD.txt NEW.txt"
    parser.add_argument("upgrade", nargs="*", metavar="CHANGE", help=about)
    tier = configuration.current().tier or Tier.SHORT.value
    add_option(parser, "tier", value=tier, default=tier)
    add_subject_option(parser)
    add_strategy_option(parser, default="those of the tier")
    about = "how often each case is rendered in each stack; seconds are judged from 4 on (default: %(default)s)"
    parser.add_argument("--repeats", default="1", metavar="N", help=about)
    add_option(parser, "case-timeout", default="20 times what the incumbent took, at least 300")
    parser.add_argument("--strict", action="store_true", help="count drift as not safe")
    add_runs_option(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the result, gate.json, to this file")
    _add_culprit_options(parser)
    _add_environment_options(parser)
    add_cluster_options(parser)


def _add_culprit_options(parser: ArgumentParser) -> None:
    """How far to look for the culprit."""
    group = parser.add_argument_group("the culprit")
    group.add_argument("--no-culprit", action="store_true", help="do not look for the package that is to blame")
    about = "also find the release of the culprit in which it began"
    group.add_argument("--bisect", action="store_true", help=about)
    about = "also bisect the commits of this git repository; PACKAGE=PATH@GOOD..BAD gives the range"
    group.add_argument("--checkout", action="append", default=[], metavar="PACKAGE=PATH", help=about)


def _add_environment_options(parser: ArgumentParser) -> None:
    """What the two environments are made of."""
    group = parser.add_argument_group("environments")
    about = "the Python whose packages are the incumbent (default: this one)"
    group.add_argument("--python", type=Path, metavar="PATH", help=about)
    about = "a change to what is installed that makes it the incumbent; may be given several times"
    group.add_argument("--incumbent", action="append", default=[], metavar="CHANGE", help=about)
    about = "what installs packages (default: pip, or uv where there is no pip)"
    group.add_argument("--installer", choices=INSTALLERS, help=about)
    group.add_argument(
        "--wheelhouse", type=Path, metavar="FOLDER", help="install from this folder, without the network"
    )
    about = f"gate nothing; remove environments that were not used for this many days (without a number: {OLD})"
    group.add_argument("--clear-cache", nargs="?", const=str(OLD), metavar="DAYS", help=about)


def act(arguments: Namespace) -> int:
    """Render an upgrade beside what is installed, and say whether it is safe and which package is to blame."""
    try:
        with refusing_a_failing_disk(arguments.runs):
            return _clear(arguments.clear_cache) if arguments.clear_cache is not None else _gate(arguments)
    except Refusal as refusal:  # 1 and 3 are answers
        raise Refusal(str(refusal), exit_code=REFUSED) from refusal
    except KeyboardInterrupt as interrupt:
        kept = "Interrupted; what was rendered is kept, and the next call continues from there."
        raise Refusal(kept, exit_code=REFUSED) from interrupt


def _clear(days: str) -> int:
    age = 0 if days == "0" else whole_number(days, option="--clear-cache", most=MOST_DAYS)
    removed = clear(cache_folder() / "environments", days=age)
    clear_wheels(cache_folder() / WHEELS, days=age)
    say(f"{counted(removed, 'environment')} removed from {cache_folder()}.")
    return 0


def _gate(arguments: Namespace) -> int:
    if not arguments.upgrade:
        raise Refusal("Say what changes, like diffusers==0.43.0, or name two files of pins: OLD.txt NEW.txt.")
    settings = _settings(arguments)
    _refuse_unwritable(settings.runs, arguments.output)
    if arguments.on is not None:
        return gate_on_cluster(arguments, settings)
    refuse_each_alone(arguments)
    started = datetime.datetime.now(datetime.UTC)
    upgrade = tuple(arguments.upgrade)
    asked = asked_of(upgrade, python=arguments.python, first=tuple(arguments.incumbent))
    results = _Results(settings, upgrade, asked.candidate is not None, started=started, copy=arguments.output)
    installer = choose_installer(settings.installer, wheelhouse=settings.wheelhouse, sources=asked.sources)
    held = hold(asked, settings, installer=installer, report=say, decided=results.write_early)
    path, result = results.write(held)
    say("")
    say_report("\n".join(gate_lines(result, width=columns())))
    say(f"The result is in {path}")
    return held.gated.decision.exit_code(strict=arguments.strict)


def _refuse_unwritable(runs: Path, output: Path | None) -> None:
    """Refuse where the result could not be written, before an hour is spent on it."""
    refuse_unwritable(runs)
    if output is not None and output.is_dir():
        raise Refusal(f"--output names a file, and {output} is a folder.")
    if output is not None:
        refuse_unwritable(output.parent)


def _settings(arguments: Namespace) -> Settings:
    return Settings(
        subjects=tuple(arguments.subject),
        tier=tier_named(arguments.tier, option="--tier"),
        strategies=tuple(arguments.strategy),
        installer=arguments.installer,
        wheelhouse=arguments.wheelhouse,
        case_timeout=arguments.case_timeout,
        repeats=whole_number(arguments.repeats, option="--repeats", most=MOST_REPEATS),
        culprit=not arguments.no_culprit,
        bisect=arguments.bisect or bool(arguments.checkout),
        checkouts=tuple(map(parse_checkout, arguments.checkout)),
        runs=arguments.runs,
        command=command(),
    )


@dataclass
class _Results:
    """Writes what a gate found into a folder of its own, and a copy where the user wants one."""

    settings: Settings
    upgrade: tuple[str, ...]  # as it was typed
    files: bool  # whether it is two files of pins
    started: datetime.datetime
    copy: Path | None
    folder: Path | None = None  # once there is something to write

    def write(self, held: Held) -> tuple[Path, GateResult]:
        machine = held.gated.machine.id
        self.folder = self.folder or create_gate(self.settings.runs, machine, now=self.started)
        about = About(
            self.folder,
            tier=self._tier,
            command=self.settings.command,
            started=self.started,
            upgrade=self.upgrade,
            files=self.files,
        )
        result = as_plain(held, about)
        path = write_gate_result(self.folder, result)
        if self.copy is not None:
            write_plain(self.copy, result)
        return path, result

    def write_early(self, held: Held) -> None:
        """Write the answer before the search for a culprit, which may be interrupted, and say it."""
        path, result = self.write(held)
        say(result.sentence)
        say(f"The result is in {path}; looking for the culprit.")

    @property
    def _tier(self) -> str:
        return ",".join(self.settings.strategies) or self.settings.tier.value

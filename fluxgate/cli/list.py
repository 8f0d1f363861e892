"""`fluxgate list`: what can be rendered, and how."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import msgspec

from fluxgate.amounts import amount
from fluxgate.cli.shared import say
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.sources import why_not_ready
from fluxgate.subjects.subject import Subject


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def act(arguments: Namespace) -> int:
    """Show the subjects and what they need, and the strategies."""
    catalogue = subjects()
    if arguments.json:
        found = {
            name: {**msgspec.to_builtins(subject), "lacks": why_not_ready(subject)}
            for name, subject in catalogue.items()
        }
        say(msgspec.json.format(msgspec.json.encode(found)).decode())
        return 0
    for subject in catalogue.values():
        say(f"{subject.name}: {subject.about}\n    needs {_needs(subject)}; {why_not_ready(subject) or 'ready'}")
    for strategy in STRATEGIES:
        say(f"{strategy.name}: {strategy.about}")
    return 0


def _needs(subject: Subject) -> str:
    needs = subject.needs
    told = [f"{amount(needs.disk)} of disk"] if needs.disk else []
    told += [f"{amount(needs.vram)} of GPU memory"] if needs.vram else []
    told += ["a token of the hub"] if needs.token else []
    return ", ".join(told) or "nothing"

"""`python -m suite list`: what can be rendered, and how."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import msgspec

from suite.amounts import amount
from suite.strategies import STRATEGIES
from suite.subjects.catalogue import subjects
from suite.subjects.sources import ready
from suite.subjects.subject import Subject
from suite.verbs.shared import say


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def act(arguments: Namespace) -> int:
    """Show the subjects and what they need, and the strategies."""
    catalogue = subjects()
    if arguments.json:
        found = {name: {**msgspec.to_builtins(subject), "lacks": ready(subject)} for name, subject in catalogue.items()}
        say(msgspec.json.format(msgspec.json.encode(found)).decode())
        return 0
    for subject in catalogue.values():
        say(f"{subject.name}: {subject.about}\n    needs {_needs(subject)}; {ready(subject) or 'ready'}")
    for strategy in STRATEGIES:
        say(f"{strategy.name}: {strategy.about}")
    return 0


def _needs(subject: Subject) -> str:
    needs = subject.needs
    told = [f"{amount(needs.disk)} of disk"] if needs.disk else []
    told += [f"{amount(needs.vram)} of GPU memory"] if needs.vram else []
    told += ["a token of the hub"] if needs.token else []
    return ", ".join(told) or "nothing"

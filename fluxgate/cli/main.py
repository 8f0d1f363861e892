"""The command line: `fluxgate VERB`, each verb a thin module over what the other modules do."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol

from fluxgate.cli import (
    accept,
    advise,
    calibrate,
    gate,
    grow,
    history,
    init,
    judge,
    machines,
    merge,
    prove,
    render,
    replay,
    report,
    subject,
)
from fluxgate.cli import list as list_
from fluxgate.cli.shared import INTERRUPTED
from fluxgate.refusal import USAGE, Refusal

CLOSED = 141  # the exit code where nobody reads on, beside those of the verbs


class Verb(Protocol):
    """What each module of fluxgate/cli has."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Say what may stand after the verb."""

    def act(self, arguments: argparse.Namespace) -> int:
        """Do it, and give the exit code; the docstring is the verb's help."""


VERBS: dict[str, Verb] = {  # in the order in which the help tells them
    "init": init,
    "list": list_,
    "subject": subject,
    "grow": grow,
    "render": render,
    "judge": judge,
    "merge": merge,
    "machines": machines,
    "report": report,
    "gate": gate,
    "replay": replay,
    "advise": advise,
    "history": history,
    "accept": accept,
    "calibrate": calibrate,
    "prove": prove,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; whatever the user must change is told in one sentence."""
    parser = command_line()
    try:
        asked = parser.parse_args(arguments)
        if asked.verb is None:
            parser.print_help()
            return USAGE
        code: int = asked.verb(asked)
        sys.stdout.flush()
        return code
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return refusal.exit_code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # somebody reads no further: `fluxgate list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are refusals, as everybody else's are."""

    def error(self, message: str) -> NoReturn:
        raise Refusal(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")


def command_line() -> Parser:
    """The verbs with their options."""
    parser = Parser(prog="fluxgate", description="The same pictures under every memory strategy.")
    parser.set_defaults(verb=None)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    for name, verb in VERBS.items():
        about = (verb.act.__doc__ or "").strip()
        added = verbs.add_parser(name, help=about[:1].lower() + about[1:].rstrip("."), description=about)
        added.set_defaults(verb=verb.act)
        verb.add_options(added)
    return parser


def run() -> None:
    """The command `fluxgate`."""
    sys.exit(main())

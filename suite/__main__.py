"""The command line: `python -m suite VERB`, each verb a thin module over what the other modules do."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol

from suite.refusal import USAGE, Refusal
from suite.verbs import accepting, advising, calibrating, growing, judging, listing, rendering, reporting

INTERRUPTED, CLOSED = 130, 141  # exit codes, beside 0, a refusal's own and those of the verbs


class Verb(Protocol):
    """What each module of suite/verbs has."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Say what may stand after the verb."""

    def act(self, arguments: argparse.Namespace) -> int:
        """Do it, and give the exit code; the docstring is the verb's help."""


VERBS: dict[str, Verb] = {  # in the order in which the help tells them
    "list": listing,
    "grow": growing,
    "render": rendering,
    "judge": judging,
    "report": reporting,
    "advise": advising,
    "accept": accepting,
    "calibrate": calibrating,
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
    except BrokenPipeError:  # somebody reads no further: `python -m suite list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are refusals, as everybody else's are."""

    def error(self, message: str) -> NoReturn:
        raise Refusal(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")


def command_line() -> Parser:
    """The verbs with their options."""
    parser = Parser(prog="python -m suite", description="The same pictures under every memory strategy.")
    parser.set_defaults(verb=None)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    for name, verb in VERBS.items():
        about = (verb.act.__doc__ or "").strip()
        added = verbs.add_parser(name, help=about[:1].lower() + about[1:].rstrip("."), description=about)
        added.set_defaults(verb=verb.act)
        verb.add_options(added)
    return parser


if __name__ == "__main__":
    sys.exit(main())

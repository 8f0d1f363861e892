"""The command line: `fluxgate VERB`, each verb a thin module over what the other modules do."""

from __future__ import annotations

import argparse
import io
import os
import sys
import textwrap
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, Protocol

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
from fluxgate.cli.shared import INTERRUPTED, columns
from fluxgate.environment import fluxgate_version
from fluxgate.files import is_disk_full, is_forbidden, is_odd
from fluxgate.options import suggestion
from fluxgate.refusal import USAGE, Refusal

ERROR = 3  # the exit code of a mistake in Fluxgate, as pytest has it: 1 is an answer
CLOSED = 141  # the exit code where nobody reads on, beside those of the verbs


class Verb(Protocol):
    """What each module of fluxgate/cli has; the first line of its docstring says what it is for."""

    __doc__: str | None

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Say what may stand after the verb."""

    def act(self, arguments: argparse.Namespace) -> int:
        """Do it, and give the exit code; its docstring is the verb's description."""


GROUPS: dict[str, dict[str, Verb]] = {  # as the help lists them
    "get started": {"init": init, "list": list_, "subject": subject, "grow": grow},
    "gate an upgrade": {"gate": gate},
    "render and judge": {"render": render, "judge": judge, "merge": merge, "report": report, "machines": machines},
    "use what was measured": {"advise": advise, "history": history},
    "set baselines and limits": {"accept": accept, "calibrate": calibrate},
    "test Fluxgate itself": {"replay": replay, "prove": prove},
}
VERBS = {name: verb for verbs in GROUPS.values() for name, verb in verbs.items()}
ABOUT = (
    "Renders the same pictures with every memory strategy, and fails when a pixel, a byte, a step of work or a second "
    "has changed that should not have."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; whatever the user must change is told in one sentence."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        parser = command_line(words)
        asked = parser.parse_args(words)
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
    except OSError as error:
        if error.filename is None or not (is_forbidden(error) or is_disk_full(error) or is_odd(error)):
            raise
        what = "read or written" if isinstance(error, PermissionError) or is_odd(error) else "written"
        print(f"{error.filename2 or error.filename} cannot be {what}: {error.strerror}.", file=sys.stderr)
        return USAGE


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are refusals, as everybody else's are."""

    def error(self, message: str) -> NoReturn:
        raise Refusal(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = action.option_strings[0] if action.option_strings else action.metavar
            raise Refusal(f"{what} {value!r:.80} is unknown; {suggestion(str(value), map(str, action.choices))}")


def command_line(words: Sequence[str]) -> Parser:
    """The verbs, those among the words with their options, whose defaults are read from the configuration."""
    width = columns()
    parser = Parser(
        prog="fluxgate",
        description=textwrap.fill(ABOUT, width),
        epilog="\n".join(_verbs(width)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"fluxgate {fluxgate_version()}", help="show the version and exit"
    )
    parser.set_defaults(verb=None)
    verbs = parser.add_subparsers(metavar="VERB", help="one of those below; fluxgate VERB --help shows its options")
    for name, verb in VERBS.items():
        added = verbs.add_parser(name, description=(verb.act.__doc__ or "").strip())
        added.set_defaults(verb=verb.act)
        if name in words:
            verb.add_options(added)
    return parser


def _verbs(width: int) -> Iterator[str]:
    """The verbs by what they are about, each with what it is for."""
    longest = max(map(len, VERBS))
    for number, (about, verbs) in enumerate(GROUPS.items()):
        yield from ([""] if number else [])
        yield f"{about}:"
        for name, verb in verbs.items():
            purpose = (verb.__doc__ or "").partition("\n")[0].partition("`: ")[2].rstrip(".")
            lead = f"  {name:<{longest}}  "
            yield from textwrap.wrap(purpose, width, initial_indent=lead, subsequent_indent=" " * len(lead))


def run() -> None:
    """The command `fluxgate`."""
    _make_sayable()
    try:
        code = main()
    except OSError as error:
        code = _could_not_be_said(error)
    except Exception:
        traceback.print_exc()
        code = ERROR
    sys.exit(code)


def _make_sayable() -> None:
    """A terminal that lacks a letter shows another, and what is said to nobody is lost: neither is an error."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, io.StringIO())
        else:
            stream.reconfigure(errors="replace")


def _could_not_be_said(error: OSError) -> int:
    """The exit code where the disk of the file that the output goes to is full; any other error is a mistake."""
    if error.filename is not None or not is_disk_full(error):
        traceback.print_exception(error)
        return ERROR
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python would try to write the rest when it ends
    print(f"The output cannot be written: {error.strerror}.", file=sys.stderr)
    return USAGE

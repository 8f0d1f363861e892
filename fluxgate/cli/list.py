"""`fluxgate list`: show all subjects and strategies, and what can run here."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import msgspec

from fluxgate.cli.shared import columns, say
from fluxgate.machine import detect, stack
from fluxgate.report.listing import listing
from fluxgate.report.listing_terminal import listing_text
from fluxgate.strategies.available import strategies
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.sources import why_not_ready


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def act(arguments: Namespace) -> int:
    """Show every subject and what it needs, and every strategy, what it promises and whether it can run here."""
    choices = listing(subjects().values(), strategies(), machine=detect(), stack=stack(), why_not_ready=why_not_ready)
    if arguments.json:
        say(msgspec.json.format(msgspec.json.encode(choices), indent=2).decode())
    else:
        say(listing_text(choices, width=columns()))
    return 0

"""`fluxgate accept`: a run becomes what later ones are held against."""

from __future__ import annotations

import datetime
from argparse import ArgumentParser, Namespace
from pathlib import Path

from fluxgate.baselines.accepting import accept, prune, who
from fluxgate.baselines.planning import Request
from fluxgate.baselines.store import Store
from fluxgate.cases import matrix
from fluxgate.cli.shared import add_baselines_option, say
from fluxgate.judge import standards as kept
from fluxgate.machine import detect, stack
from fluxgate.refusal import Refusal
from fluxgate.runs import run as runs
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import subjects


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="the run's folder")
    add_baselines_option(parser)
    parser.add_argument("--because", default="", metavar="REASON", help="why this is right")
    parser.add_argument(
        "--only", default="*", metavar="PATTERN", help="of the names of cases; default: all of a finished run"
    )
    parser.add_argument("--portable", action="store_true", help="as the pictures that any machine is compared with")
    parser.add_argument("--trim", action="store_true", help="let ceilings come down to what this run measured")
    parser.add_argument("--also", action="store_true", help="keep the pictures accepted so far beside the new ones")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and write nothing")
    parser.add_argument("--prune", action="store_true", help="remove baselines that no case uses, or of another recipe")


def act(arguments: Namespace) -> int:
    """Accept a run's pictures, facts and limits as what later runs are held against."""
    catalogue, store = subjects(), arguments.baselines
    if arguments.prune:
        cases = {case.id: case for case in matrix(catalogue.values(), STRATEGIES, machine=detect(), stack=stack())}
        prune(store, cases=cases, subjects=catalogue, report=say, dry_run=arguments.dry_run)
        return 0
    if arguments.run is None:
        raise Refusal("Say which run to accept: fluxgate accept RUN --because REASON.")
    run = runs.open_run(arguments.run)
    found = matrix(catalogue.values(), STRATEGIES, machine=run.machine, stack=run.stack)
    accept(
        run,
        _request(arguments),
        store=store,
        cases={case.id: case for case in found},
        known=kept.known(Store.at(store), subjects=catalogue),
        report=say,
    )
    return 0


def _request(arguments: Namespace) -> Request:
    return Request(
        because=arguments.because,
        by=who(),
        at=datetime.datetime.now(datetime.UTC),
        only=arguments.only,
        portable=arguments.portable,
        trim=arguments.trim,
        also=arguments.also,
        dry_run=arguments.dry_run,
    )

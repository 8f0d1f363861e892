"""`fluxgate render`: a new run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable

from fluxgate.cases import Case
from fluxgate.cli.shared import NOTHING, RED, add_choosing_options, command, request_of, say, say_unsupported
from fluxgate.rendering import id_of_case
from fluxgate.runs import run as runs
from fluxgate.session import choose, create_run, open_session, refuse_unready


def add_options(parser: ArgumentParser) -> None:
    add_choosing_options(parser)
    parser.add_argument("--takes", metavar="N", help="default: twice on a GPU; on a CPU the first shot twice")
    part = "one part of the cases, like 2/5, dealt out evenly; default: all"
    parser.add_argument("--shard", metavar="PART/PARTS", help=part)
    vram = "the most memory of each GPU, for every case, like 12GB; default: all of it"
    parser.add_argument("--vram-limit", metavar="AMOUNT", help=vram)


def act(arguments: Namespace) -> int:
    """Render cases into a new run, without judging them."""
    choice = choose(request_of(arguments))
    say_unsupported(choice.asked)
    if not choice.renderable:
        return NOTHING
    refuse_unready(choice)
    run = create_run(choice, command=command())
    say(f"The run is in {run.folder}")
    with open_session(choice, run, report=say) as session:
        failed = session.import_libraries()
        if failed is not None:
            say(failed.sentence)
            return RED
        rendered = [session.rendered(case_id) for case_id in _with_references(choice.renderable)]
    runs.finish(run)
    say(f"The run is in {run.folder}")
    return RED if any(one is not None and one.rendering.crash for one in rendered) else 0


def _with_references(cases: Iterable[Case]) -> list[str]:
    """The ids of the cases, each after those that it will be compared with."""
    ids = [
        id_of_case(case.subject.name, name)
        for case in cases
        for name in (*case.strategy.promise.compared_with, case.strategy.name)
    ]
    return list(dict.fromkeys(ids))

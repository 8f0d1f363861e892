"""`fluxgate render`: a new run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from fluxgate.cli.shared import (
    INTERRUPTED,
    NOTHING,
    RED,
    add_choosing_options,
    command,
    request_of,
    say,
    say_unsupported,
)
from fluxgate.fleet import on_cluster
from fluxgate.fleet.driving import Outcome
from fluxgate.fleet.ray_cluster import connected
from fluxgate.judge.sentences import counted
from fluxgate.refusal import Refusal
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from fluxgate.session.choice import choose, refuse_unready
from fluxgate.session.session import create_run, interrupted_by_sigterm, open_session


def add_options(parser: ArgumentParser) -> None:
    add_choosing_options(parser)
    parser.add_argument("--takes", metavar="N", help="default: twice on a GPU; on a CPU the first shot twice")
    part = "one part of the cases, like 2/5, dealt out evenly; default: all"
    parser.add_argument("--shard", metavar="PART/PARTS", help=part)
    vram = "the most memory of each GPU, for every case, like 12GB; default: all of it"
    parser.add_argument("--vram-limit", metavar="AMOUNT", help=vram)
    on = "a cluster of Ray's: ray for the one of this host, or like ray://HEAD:10001; default: this machine alone"
    parser.add_argument("--on", metavar="CLUSTER", help=on)
    each = "with --on: render on each of these accelerators, like H100,L4; without names, on each that there is"
    parser.add_argument("--each", metavar="NAME[,NAME]", nargs="?", const="", help=each)


def act(arguments: Namespace) -> int:
    """Render cases into a new run, without judging them."""
    if arguments.on is not None:
        return _act_on_cluster(arguments)
    if arguments.each is not None:
        raise Refusal("--each names accelerators of a cluster; it needs --on.")
    choice = choose(request_of(arguments))
    say_unsupported(choice.asked)
    if not choice.renderable:
        say(f"Nothing can be rendered here{f' of shard {choice.shard}' if choice.shard else ''}.")
        return NOTHING
    refuse_unready(choice)
    run = create_run(choice, command=command())
    say(f"The run is in {run.folder}")
    with open_session(choice, run, report=say) as session:
        failed = session.import_libraries()
        if failed is not None:
            say(failed.sentence)
            return RED
        rendered = [session.rendered(case.id) for case in choice.needed]
    runs.finish(run)
    say(f"The run is in {run.folder}")
    return RED if any(one is not None and one.rendering.crash for one in rendered) else 0


def _act_on_cluster(arguments: Namespace) -> int:
    """The same on the nodes of a cluster: a run for each kind of machine."""
    each = None if arguments.each is None else [arguments.each]
    with interrupted_by_sigterm(), connected(arguments.on) as cluster:
        kinds = on_cluster.plan(cluster, request_of(arguments), each=each, say=say, begin=True)
        for kind in kinds:
            say_unsupported(kind.choice.asked)
        parts = [(kind, _run_of(kind)) for kind in kinds if kind.choice.renderable]
        outcomes = on_cluster.render(cluster, parts, say=say)
    codes = [_told(run, outcome) for (_, run), outcome in zip(parts, outcomes, strict=True)]
    return max([*codes, NOTHING if len(parts) < len(kinds) else 0])


def _run_of(kind: on_cluster.Kind) -> Run:
    run = create_run(kind.choice, command=command())
    say(f"On {kind.accelerator} ({counted(len(kind.nodes), 'node')}) the run is in {run.folder}")
    return run


def _told(run: Run, outcome: Outcome) -> int:
    if outcome.unplaced:
        say(f"No node is left: {', '.join(outcome.unplaced)} were not rendered. The run is in {run.folder}")
        return INTERRUPTED
    runs.finish(run)
    say(f"The run is in {run.folder}")
    return RED if any(rendering.crash for rendering in run.renderings().values()) else 0

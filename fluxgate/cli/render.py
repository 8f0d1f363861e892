"""`fluxgate render`: render a new run, without judging it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from fluxgate.cli.shared import (
    INTERRUPTED,
    NOTHING,
    RED,
    add_choosing_options,
    add_cluster_options,
    add_option,
    command,
    refuse_each_alone,
    request_of,
    say,
    say_unsupported,
)
from fluxgate.fleet import on_cluster
from fluxgate.fleet.driving import Outcome
from fluxgate.fleet.ray_cluster import connected
from fluxgate.judge.sentences import counted
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from fluxgate.session.choice import choose, refuse_unready
from fluxgate.session.session import create_run, interrupted_by_sigterm, open_session


def add_options(parser: ArgumentParser) -> None:
    add_choosing_options(parser)
    for name in ("tier", "takes", "shard", "vram-limit"):
        add_option(parser, name)
    add_cluster_options(parser)


def act(arguments: Namespace) -> int:
    """Render cases into a new run, without judging them; then: fluxgate judge."""
    if arguments.on is not None:
        return _act_on_cluster(arguments)
    refuse_each_alone(arguments)
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
    codes = [_finished(run, outcome) for (_, run), outcome in zip(parts, outcomes, strict=True)]
    return max([*codes, NOTHING if len(parts) < len(kinds) else 0])


def _run_of(kind: on_cluster.Kind) -> Run:
    run = create_run(kind.choice, command=command())
    say(f"On {kind.accelerator} ({counted(len(kind.nodes), 'node')}) the run is in {run.folder}")
    return run


def _finished(run: Run, outcome: Outcome) -> int:
    """Say what became of a run, and give the exit code that it is."""
    if outcome.unplaced:
        say(f"No node is left: {', '.join(outcome.unplaced)} were not rendered. The run is in {run.folder}")
        return INTERRUPTED
    runs.finish(run)
    say(f"The run is in {run.folder}")
    return RED if any(rendering.crash for rendering in run.renderings().values()) else 0

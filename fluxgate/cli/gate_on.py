"""`fluxgate gate --on`: the same on the nodes of a cluster, with one answer over all kinds of machines."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from fluxgate.cli.shared import columns, say, say_report
from fluxgate.files import write_plain, write_whole
from fluxgate.fleet.ray_cluster import connected
from fluxgate.gate.decision import exit_code_of
from fluxgate.gate.node_job import DEEPEST, PROCESS
from fluxgate.gate.on_cluster import gate_on, upgrade_of
from fluxgate.gate.on_kind import GateOnKind
from fluxgate.gate.settings import Settings
from fluxgate.refusal import Refusal
from fluxgate.report.gate_folder import FACTS
from fluxgate.report.gate_result import GateResult
from fluxgate.report.gate_terminal import gate_lines
from fluxgate.report.machines import column_of_gate, headline, machines_markdown
from fluxgate.session.session import interrupted_by_sigterm

REFUSED = 2  # the exit code where nothing was decided; Ctrl-C has the same
WORST_FIRST = (1, REFUSED, 3, 0)  # one machine on which it is not safe is the answer
REPORT = "machines.md"  # in the folder of the first of several gates


def gate_on_cluster(arguments: Namespace, settings: Settings) -> int:
    """Gate on a cluster, show what was found on each kind of machine, and then all of it in a line."""
    if arguments.output is not None and arguments.each is not None:
        raise Refusal("--output takes one result; with --each, each is in the folder of its gate.")
    upgrade = upgrade_of(tuple(arguments.upgrade), python=arguments.python, first=tuple(arguments.incumbent))
    each = None if arguments.each is None else [arguments.each]
    with interrupted_by_sigterm(), connected(arguments.on, process=PROCESS, deep=DEEPEST) as cluster:
        gates = gate_on(cluster, upgrade, settings, each=each, say=say)
    codes = {_show(gate, strict=arguments.strict) for gate in gates}
    held = [(gate, gate.result) for gate in gates if gate.result is not None]
    if len(held) > 1:
        _show_together(held)
    if arguments.output is not None and held:
        write_plain(arguments.output, held[0][1])
    return next(code for code in WORST_FIRST if code in codes)


def _show(gate: GateOnKind, *, strict: bool) -> int:
    say("")
    if gate.result is None:
        say(" ".join((f"On {gate.kind.accelerator} the gate could not be held.", *gate.said[-1:])))
        return REFUSED
    say(f"On {gate.kind.accelerator}:")
    say_report("\n".join(gate_lines(gate.result, width=columns())))
    say(f"The result is in {gate.folder / FACTS}")
    return exit_code_of(gate.result.answer, strict=strict)


def _show_together(held: Sequence[tuple[GateOnKind, GateResult]]) -> None:
    """What was found on several kinds of machines, a column for each, named as the cluster calls its GPUs."""
    sides = [replace(column_of_gate(result), name=gate.kind.accelerator) for gate, result in held]
    path = held[0][0].folder / REPORT
    write_whole(path, machines_markdown(sides).encode())
    say("")
    say(headline(sides))
    say(f"All machines side by side: {path}")

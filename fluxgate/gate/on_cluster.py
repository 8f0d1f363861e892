"""A gate on a cluster: one for each kind of machine, held on a node of it, its cases rendered on all of them."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fluxgate.files import write_plain
from fluxgate.fleet.cluster import Cluster
from fluxgate.fleet.driving import Driver, Outcome
from fluxgate.fleet.on_cluster import FILE, Kind, Whereabouts, plan
from fluxgate.gate.environments.pin_files import flattened
from fluxgate.gate.gate import asked_cases
from fluxgate.gate.node_job import GateJob
from fluxgate.gate.on_kind import INCOMING, GateOnKind
from fluxgate.gate.settings import Settings
from fluxgate.gate.sides import refuse_unknown, request_of
from fluxgate.gate.stacks import asked_of
from fluxgate.locks import Say
from fluxgate.refusal import Refusal
from fluxgate.report.gate_folder import create_gate


@dataclass(frozen=True)
class Upgrade:
    """What is to be gated, as it was typed."""

    changes: tuple[str, ...]  # or two files of pins
    python: Path | None = None  # on the nodes; None: the one that Ray runs in
    first: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()  # what is in the files


def upgrade_of(changes: tuple[str, ...], *, python: Path | None, first: tuple[str, ...]) -> Upgrade:
    """The upgrade, once it is seen to be one."""
    asked = asked_of(changes, python=python, first=first)
    files = [file for file in (asked.incumbent, asked.candidate) if file is not None]
    return Upgrade(changes, python, first, tuple(flattened(file.path) for file in files))


def gate_on(
    cluster: Cluster, upgrade: Upgrade, settings: Settings, *, each: Sequence[str] | None, say: Say
) -> tuple[GateOnKind, ...]:
    """The gates on all kinds of machines that are asked for. One that was not held has no result."""
    refuse_unknown(settings)
    if settings.checkouts:
        raise Refusal("--checkout bisects commits in a folder of this machine; it does not go together with --on.")
    kinds = plan(cluster, request_of(settings), each=each, say=say)
    gates = [_gate_of(kind, upgrade, settings) for kind in kinds]
    try:
        outcome = _driven(cluster, gates, say)
    finally:
        for gate in gates:
            _tidy(gate)
    for gate in gates:
        gate.said = tuple(outcome.said)
        if gate.result is not None:
            _write_whereabouts(gate, outcome)
    return tuple(gates)


def _gate_of(kind: Kind, upgrade: Upgrade, settings: Settings) -> GateOnKind:
    started = datetime.datetime.now(datetime.UTC)
    folder = create_gate(settings.runs, kind.choice.machine.id, now=started)
    asked = asked_cases(settings, kind.choice)
    subjects = {case.subject.name: case.subject for case in kind.choice.cases}
    wheelhouse = settings.wheelhouse.absolute() if settings.wheelhouse else None
    job = GateJob(
        id=folder.name,
        folder=str(folder),
        started=started.isoformat(),
        machine=kind.choice.machine,
        stack=kind.choice.stack,
        subjects=tuple(subjects.values()),
        upgrade=upgrade.changes,
        settings=replace(settings, subjects=tuple(subjects), wheelhouse=wheelhouse),
        pins=upgrade.pins,
        first=upgrade.first,
        python=upgrade.python,
    )
    cases = {case.id: case for case in kind.choice.cases}
    return GateOnKind(kind, job, folder, settings.runs, cases, kind.choice.with_references(asked))


def _driven(cluster: Cluster, gates: Sequence[GateOnKind], say: Say) -> Outcome:
    by_name = {gate.name: gate for gate in gates}

    def of(task: str) -> GateOnKind:
        return by_name[task.partition("/")[0]]

    driver = Driver(
        cluster,
        [node for gate in gates for node in gate.kind.nodes],
        job_of=lambda task: of(task).job_of(task),
        keep=lambda task, data, node: of(task).keep(task, data, node),
        report=say,
    )
    return driver.drive([task for gate in gates for task in gate.tasks()])


def _tidy(gate: GateOnKind) -> None:
    """Remove what is not needed any more; of a gate that was not held, its folder."""
    shutil.rmtree(gate.folder / INCOMING, ignore_errors=True)
    with suppress(OSError):  # there is something in it
        gate.folder.rmdir()


def _write_whereabouts(gate: GateOnKind, outcome: Outcome) -> None:
    """Leave in the gate's folder which node has done what, and which were lost."""
    own = {name: node for name, node in outcome.rendered_on.items() if name.partition("/")[0] == gate.name}
    losses = {name: nodes for name, nodes in outcome.losses.items() if name.partition("/")[0] == gate.name}
    about = Whereabouts(gate.kind.accelerator, own, losses, tuple(outcome.said))
    write_plain(gate.folder / FILE, about)
